//! The recordings watcher.
