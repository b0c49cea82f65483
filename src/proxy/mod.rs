//! The data plane, in the order in which a request meets it.
//!
//! 1. [`front`] starts the workers; [`listener`]: one accepts a connection, if the [`crowd`] leaves a place for it; else
//!    a [`farewell`].
//! 2. [`entrance`]: who is there ([`proxy_header`], [`guest`]) and what is spoken, over TLS by a [`handshake`] at
//!    its turn ([`turnstile`]);
//!    [`connection`], or [`http2`]: the connection lives, under the clock of [`pace`], which knows by [`flow`] who is too
//!    slow.
//! 3. [`handler`]: a request is looked at ([`check`]), has its [`turn`], is routed, and answered.
//! 4. [`choice`]: what the request says about its track; [`split`]: the track by turns, then the backend in it, by
//!    [`balance`].
//! 5. [`headers`]: what is taken off and put on, in both directions.
//! 6. [`deliver`]: attempts until there is an answer, over connections of the [`pool`] or fresh ones from [`connect`],
//!    which [`opening`] lets requests share; [`upstream`] is such a connection.
//! 7. [`upload`] and [`reply`]: the two bodies, streamed. Or, after an [`upgrade`], a [`tunnel`].
//! 8. [`exchange`]: what is counted when a request is over; [`access`]: what is written about it.
//! 9. [`refusal`] and [`redirect`]: every answer that is the balancer's own; [`grpc`]: what is otherwise for its calls.
//!
//! [`Stop`] is how all of it is asked to end.
//!
//! Nothing here waits for the control plane: a request reads one snapshot of the table and adds to atomics. A
//! [`worker`] is one thread with a runtime of its own; workers share the table, the positions in the schedules and the
//! counters; locks only where a request has failed or has to wait.

mod access;
mod balance;
mod check;
pub mod choice;
mod connect;
mod connection;
mod crowd;
mod deliver;
mod entrance;
mod exchange;
mod farewell;
mod flow;
mod front;
mod grpc;
mod guest;
mod handler;
mod handshake;
pub mod headers;
mod http2;
mod listener;
mod opening;
mod pace;
mod pool;
mod proxy_header;
mod redirect;
mod refusal;
mod reply;
pub mod split;
mod stop;
mod tunnel;
mod turn;
mod turnstile;
mod upgrade;
mod upload;
mod upstream;
mod worker;

pub use access::AccessWriter;
pub use front::{Front, FrontSettings, start};
pub use listener::Listener;
pub use stop::Stop;
