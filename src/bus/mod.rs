//! The alert bus (placeholder of the interface).
