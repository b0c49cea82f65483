//! One writer, many readers.

use std::cell::Cell;
use std::sync::Arc;

use arc_swap::{ArcSwap, Cache};
use tokio::sync::watch;

use super::RoutingTable;

/// An empty table of generation 0, and the two ends of it.
pub fn table() -> (TableWriter, TableReader) {
    let current = Arc::new(ArcSwap::from_pointee(RoutingTable::default()));
    let (published, generations) = watch::channel(0);
    (TableWriter { current: current.clone(), published, generation: 0 }, TableReader { current, generations })
}

/// The only way to change what is routed. Not `Clone`: the controller owns it.
#[derive(Debug)]
pub struct TableWriter {
    current: Current,
    published: watch::Sender<u64>,
    generation: u64,
}

impl TableWriter {
    /// Puts `table` in force for every request that is routed from now on, and gives its generation.
    pub fn publish(&mut self, mut table: RoutingTable) -> u64 {
        self.generation += 1;
        table.generation = self.generation;
        self.current.store(Arc::new(table));
        self.published.send_replace(self.generation);
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
    current: Current,
    generations: watch::Receiver<u64>,
}

type Current = Arc<ArcSwap<RoutingTable>>;

thread_local! {
    /// The table that this thread saw last: looking whether it is still in force costs less than half of loading it. An
    /// idle thread keeps that one table alive until it looks again.
    static SEEN: Cell<Option<Cache<Current, Arc<RoutingTable>>>> = const { Cell::new(None) };
}

impl TableReader {
    /// The generation in force, for a task that waits for the next. Never awaited by a request.
    pub fn generations(&self) -> watch::Receiver<u64> {
        self.generations.clone()
    }

    /// Looks something up in the table in force now.
    #[inline]
    pub fn read<T>(&self, look: impl FnOnce(&RoutingTable) -> T) -> T {
        let seen = SEEN.take().filter(|seen| std::ptr::eq(seen.arc_swap(), &*self.current));
        let mut seen = seen.unwrap_or_else(|| Cache::new(self.current.clone()));
        let found = look(seen.load());
        SEEN.set(Some(seen));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_sees_what_was_published_last() {
        let (mut writer, reader) = table();
        assert_eq!(reader.read(|table| table.generation), 0);
        assert_eq!(writer.publish(RoutingTable::default()), 1);
        assert_eq!(reader.read(|table| table.generation), 1);
    }

    #[test]
    fn readers_of_two_tables_do_not_mix_them_up() {
        let ((mut writer, reader), (_other_writer, other)) = (table(), table());
        writer.publish(RoutingTable::default());
        let both = reader.read(|table| (table.generation, other.read(|table| table.generation)));
        assert_eq!(both, (1, 0));
        assert_eq!(reader.read(|table| table.generation), 1);
    }
}
