//! What the tests stand on: the real program, scripted backends, a real Redis, a client that shows every byte.

pub(crate) mod agent;
pub(crate) mod backend;
pub(crate) mod certificates;
pub(crate) mod client;
pub(crate) mod clients;
pub(crate) mod coalmine;
pub(crate) mod config;
mod conversation;
pub(crate) mod eventually;
pub(crate) mod http2;
pub(crate) mod lineage;
pub(crate) mod load;
pub(crate) mod metrics;
pub(crate) mod plane;
pub(crate) mod process;
pub(crate) mod process_backend;
mod proof;
pub(crate) mod redis;
pub(crate) mod relay;
pub(crate) mod script;
pub(crate) mod smtp;
pub(crate) mod wire;

pub(crate) use backend::Backend;
pub(crate) use client::Connection;
pub(crate) use config::{Config, Service};
pub(crate) use eventually::{eventually, for_a_while};
pub(crate) use lineage::Lineage;
pub(crate) use load::{Steady, load};
pub(crate) use redis::Redis;
pub(crate) use relay::Relay;
pub(crate) use script::{Latch, Script};
