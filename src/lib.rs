//! Coalmine: a canary load balancer.

pub mod bus;
pub mod config;
pub mod control;
pub mod health;
pub mod metrics;
pub mod model;
pub mod net;
pub mod proxy;
pub mod table;
