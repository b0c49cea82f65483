//! One writer, many readers.

use std::ops::Deref;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::RoutingTable;

/// An empty table of generation 0, and the two ends of it.
pub fn table() -> (TableWriter, TableReader) {
    let current = Arc::new(ArcSwap::from_pointee(RoutingTable::default()));
    (TableWriter { current: current.clone(), generation: 0 }, TableReader { current })
}

/// The only way to change what is routed. Not `Clone`: the controller owns it.
#[derive(Debug)]
pub struct TableWriter {
    current: Arc<ArcSwap<RoutingTable>>,
    generation: u64,
}

impl TableWriter {
    /// Puts `table` in force for every request that is routed from now on, and gives its generation.
    pub fn publish(&mut self, mut table: RoutingTable) -> u64 {
        self.generation += 1;
        table.generation = self.generation;
        self.current.store(Arc::new(table));
        self.generation
    }

    /// Number of the table in force.
    pub fn generation(&self) -> u64 {
        self.generation
    }
}

/// Sees the table in force; never waits.
#[derive(Clone, Debug)]
pub struct TableReader {
    current: Arc<ArcSwap<RoutingTable>>,
}

impl TableReader {
    /// The table in force now. The guard must not be held across an `.await`: it takes one of a thread's few fast slots.
    #[inline]
    pub fn load(&self) -> impl Deref<Target = Arc<RoutingTable>> + use<> {
        self.current.load()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_sees_what_was_published_last_and_keeps_what_it_loaded() {
        let (mut writer, reader) = table();
        let before = reader.load();
        assert_eq!(writer.publish(RoutingTable::default()), 1);
        assert_eq!((before.generation, reader.load().generation), (0, 1));
    }
}
