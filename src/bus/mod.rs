mod command;
pub use command::*;
