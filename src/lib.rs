//! Coalmine: a canary load balancer.

pub mod bus;
pub mod config;
pub mod health;
pub mod metrics;
pub mod model;
pub mod net;
<<<<<<< HEAD
pub mod proxy;
pub mod table;
=======
>>>>>>> health
