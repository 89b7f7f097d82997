//! stub
#![allow(missing_docs)]
use std::sync::*;
#[derive(Debug)]
pub struct Options {
    pub folder: std::path::PathBuf,
    pub database: std::path::PathBuf,
    pub key: crate::vault::key::KeyOptions,
    pub key_environment: crate::vault::key::KeyEnvironment,
    pub admission: crate::vault::admission::AdmissionOptions,
    pub scan_every: std::time::Duration,
    pub place: Place,
}
pub struct Place(pub Box<dyn Fn(&str) -> Option<(String, i64)> + Send>);
impl std::fmt::Debug for Place {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}
#[derive(Debug, Default, Clone)]
pub struct Health {
    pub trouble: Option<String>,
}
pub struct Watcher;
impl Watcher {
    pub fn new(
        _: Options,
        _: crate::writer::Handle,
        _: Arc<crate::base::telemetry::Telemetry>,
        _: crate::base::clock::Clock,
        _: crate::base::shutdown::Shutdown,
    ) -> Self {
        Watcher
    }
    pub fn health(&self) -> Arc<Mutex<Health>> {
        Arc::default()
    }
    pub fn run(self) {}
}
