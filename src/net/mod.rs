<<<<<<< HEAD
//! Sockets: how they are bound, how bytes move over them, how names become addresses.

pub mod bind;
pub mod resolve;
pub mod stream;
=======
//! What touches the network but knows no HTTP.

pub mod resolve;
>>>>>>> health
