//! Where a run lives: its folder, its ports, and the configuration files of both programs.
//!
//! The keys of the two configurations stand here and nowhere else in the demo. It starts nothing.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use crate::story::Fault;
use crate::{DemoError, Options};

/// The folder of a run, removed at the end unless it is to be kept.
#[derive(Debug)]
enum Folder {
    Kept(PathBuf),
    Passing(tempfile::TempDir),
}

/// Everything that the parts of a run must know of each other.
#[derive(Debug)]
pub(crate) struct Place {
    folder: Folder,
    pub(crate) engine: PathBuf,
    pub(crate) actuator: PathBuf,
    pub(crate) settings: Vec<String>,
    pub(crate) grpc_address: SocketAddr,
    pub(crate) http_address: SocketAddr,
    pub(crate) api_address: SocketAddr,
    pub(crate) actuator_address: SocketAddr,
}

impl Place {
    /// Finds the programs, makes the folder and picks free ports.
    ///
    /// # Errors
    /// [`DemoError::Missing`] if a program is not there, [`DemoError::Io`] if the folder cannot be made.
    pub(crate) fn make(options: &Options, fault: Fault, seed: u64) -> Result<Self, DemoError> {
        let engine = program("bellwether", "engine", options.engine.as_deref())?;
        let actuator = program("bellwether-actuator", "actuator", options.actuator.as_deref())?;
        let folder = match &options.keep {
            None => Folder::Passing(tempfile::tempdir().map_err(io("make folder", Path::new("TMPDIR")))?),
            Some(dir) => Folder::Kept(fresh(dir, fault, seed)?),
        };
        let [grpc_address, http_address, api_address, actuator_address] = free_addresses()?;
        let settings = options.settings.clone();
        let place = Self {
            folder,
            engine,
            actuator,
            settings,
            grpc_address,
            http_address,
            api_address,
            actuator_address,
        };
        place.write_settings()?;
        Ok(place)
    }

    /// Picks other ports: between choosing and listening another program may have taken one.
    ///
    /// # Errors
    /// [`DemoError::Io`] if no port is free or a file cannot be written.
    pub(crate) fn move_ports(&mut self) -> Result<(), DemoError> {
        [self.grpc_address, self.http_address, self.api_address, self.actuator_address] = free_addresses()?;
        self.write_settings()
    }

    fn write_settings(&self) -> Result<(), DemoError> {
        self.write("engine.yaml", &self.engine_yaml())?;
        self.write("actuator.yaml", &self.actuator_yaml())
    }

    /// The folder.
    pub(crate) fn dir(&self) -> &Path {
        match &self.folder {
            Folder::Kept(dir) => dir,
            Folder::Passing(dir) => dir.path(),
        }
    }

    /// Keeps the folder whatever was asked: somebody must look into it.
    pub(crate) fn keep(&mut self) {
        if let Folder::Passing(dir) = &mut self.folder {
            dir.disable_cleanup(true);
        }
    }

    /// Whether the folder is there after the run.
    pub(crate) fn is_kept(&self) -> bool {
        matches!(self.folder, Folder::Kept(_))
    }

    fn engine_yaml(&self) -> String {
        format!(
            "version: 1\ndata_dir: {}\nreceive:\n  grpc_address: {}\n  http_address: {}\napi:\n  address: {}\n",
            self.dir().join("engine").display(),
            self.grpc_address,
            self.http_address,
            self.api_address
        )
    }

    fn actuator_yaml(&self) -> String {
        format!(
            "version: 1\ndata_dir: {}\napi:\n  address: {}\nintake: http\nengine:\n  url: http://{}\n\
             policy:\n  scopes:\n    - name: shop\n      match:\n        environment: production\n        namespace: shop\n\
             \x20     mode: auto\n      repository: {}\n      branch: main\n      path: \"apps/{{service}}\"\n",
            self.dir().join("actuator").display(),
            self.actuator_address,
            self.api_address,
            self.dir().join("origin.git").display()
        )
    }

    fn write(&self, name: &str, text: &str) -> Result<(), DemoError> {
        let path = self.dir().join(name);
        std::fs::write(&path, text).map_err(io("write", &path))
    }
}

/// An error of a file, with what was being attempted.
pub(crate) fn io(what: &'static str, path: &Path) -> impl Fn(std::io::Error) -> DemoError + use<> {
    let path = path.display().to_string();
    move |source| DemoError::Io { what, path: path.clone(), source }
}

fn program(name: &'static str, flag: &'static str, given: Option<&Path>) -> Result<PathBuf, DemoError> {
    let beside = || Some(std::env::current_exe().ok()?.parent()?.join(name));
    let path = given.map(Path::to_path_buf).or_else(beside).unwrap_or_else(|| PathBuf::from(name));
    if path.is_file() { Ok(path) } else { Err(DemoError::Missing { program: name, path, flag }) }
}

/// A folder of its own for every run, so that no run finds what another one left.
fn fresh(dir: &Path, fault: Fault, seed: u64) -> Result<PathBuf, DemoError> {
    let path = std::path::absolute(dir).map_err(io("find", dir))?.join(format!("{}-{seed}", fault.name()));
    if path.exists() {
        let text = format!("--keep: {} is there already, remove it or choose another folder", path.display());
        return Err(DemoError::Usage(text));
    }
    std::fs::create_dir_all(&path).map_err(io("make folder", &path))?;
    Ok(path)
}

/// Ports that were free a moment ago, all different.
fn free_addresses() -> Result<[SocketAddr; 4], DemoError> {
    let bind = || TcpListener::bind("127.0.0.1:0").map_err(io("bind", Path::new("127.0.0.1:0")));
    let held = [bind()?, bind()?, bind()?, bind()?];
    let mut addresses = [SocketAddr::from(([127, 0, 0, 1], 0)); 4];
    for (address, listener) in addresses.iter_mut().zip(&held) {
        *address = listener.local_addr().map_err(io("bind", Path::new("127.0.0.1:0")))?;
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    /// Scenario: the programs are missing; then they are named, with a folder to keep, twice.
    /// Guarantees: the error says where it looked and how to name the program; the folder holds both configurations
    /// with different ports; a folder of an earlier run is not used again.
    #[test]
    fn a_place_is_complete_or_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
        let missing = Options::parse_from(["demo", "--engine", &at("none")]);
        let why = Place::make(&missing, Fault::None, 1).unwrap_err().to_string();
        assert!(why.contains(&at("none")) && why.contains("--engine PATH"), "{why}");
        for name in ["e", "a"] {
            std::fs::write(at(name), "").unwrap();
        }
        let options = Options::parse_from([
            "demo",
            "--engine",
            &at("e"),
            "--actuator",
            &at("a"),
            "--keep",
            &at("kept"),
        ]);
        let place = Place::make(&options, Fault::None, 1).unwrap();
        let engine = std::fs::read_to_string(place.dir().join("engine.yaml")).unwrap();
        let actuator = std::fs::read_to_string(place.dir().join("actuator.yaml")).unwrap();
        assert!(engine.contains(&place.http_address.to_string()));
        assert!(
            actuator.contains("mode: auto") && actuator.contains("path: \"apps/{service}\""),
            "{actuator}"
        );
        assert_ne!(place.http_address, place.api_address);
        let why = Place::make(&options, Fault::None, 1).unwrap_err().to_string();
        assert!(why.contains("is there already"), "{why}");
    }
}
