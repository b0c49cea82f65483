//! The agent that watches one host: samples it, holds the samples against rules, and says what breaks them.
