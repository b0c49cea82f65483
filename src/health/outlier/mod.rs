//! Passive health: what clients' requests have shown of a backend, and what follows from it.
//!
//! [`window`] keeps the counts of a while, [`mod@judge`] says when they take a backend out, [`mod@panic`] when every
//! member fails and so none of them is to blame. All of it is pure: totals and the time come in, a verdict goes out.

pub mod judge;
pub mod panic;
pub mod window;

pub use judge::{Offence, judge, too_few_pass};
pub use panic::{Showing, all_fail, mostly_succeeds};
pub use window::{Counts, Window};
