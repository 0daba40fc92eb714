//! pip fetches libtorch and JupyterLab, whatever else this user has told pip to do.

use crate::process::succeeds;
use crate::setup::platform::VERSION;
use crate::setup::prerequisites::install_hint;
use anyhow::{Result, bail};
use std::ffi::{OsStr, OsString};
use std::process::Command;

/// The settings that say how pip reaches packages. Any other (PIP_TARGET, PIP_DEST, PIP_PLATFORM,
/// PIP_CONSTRAINT ...) would make our call do something else, or nothing.
const KEPT: &str = "CACHE_DIR CERT CLIENT_CERT CONFIG_FILE DEFAULT_TIMEOUT EXTRA_INDEX_URL \
    FIND_LINKS INDEX_URL KEYRING_PROVIDER LOG PROXY PYPI_URL RETRIES TIMEOUT TRUSTED_HOST \
    USE_DEPRECATED USE_FEATURE";
/// What a pip.conf may have switched on.
const OFF: [&str; 4] = ["DRY_RUN", "REQUIRE_HASHES", "REQUIRE_VIRTUALENV", "USER"];

/// The words that start pip.
pub fn find() -> Result<Vec<String>> {
    for candidate in ["python3 -m pip", "python -m pip", "pip3", "pip"] {
        let words: Vec<String> = candidate.split(' ').map(str::to_owned).collect();
        if succeeds(Command::new(&words[0]).args(&words[1..]).arg("--version")) {
            return Ok(words);
        }
    }
    bail!(
        "pip, which fetches libtorch, is missing: {} (or unpack libtorch {VERSION} yourself and give \
         it to `cargo setup --from-torch DIR`)",
        install_hint("python3-pip", "python3-pip", "brew install python"),
    )
}

/// pip, started by these words.
pub fn command<S: AsRef<OsStr>>(words: &[S]) -> Command {
    let mut pip = Command::new(&words[0]);
    pip.args(&words[1..]);
    settle(&mut pip, std::env::vars_os().map(|(name, _)| name));
    pip
}

/// Leaves of pip's variables those that say how to reach packages.
fn settle(pip: &mut Command, variables: impl Iterator<Item = OsString>) {
    let names: Vec<String> = variables.filter_map(|name| name.into_string().ok()).collect();
    // With neither an index nor a folder of packages nothing could be found.
    let offline = names.iter().any(|name| name == "PIP_FIND_LINKS");
    for name in &names {
        let Some(setting) = name.strip_prefix("PIP_") else { continue };
        let leads_there = KEPT.split(' ').any(|kept| kept == setting);
        if !(leads_there || setting == "NO_INDEX" && offline) {
            pip.env_remove(name);
        }
    }
    pip.envs(OFF.map(|setting| (format!("PIP_{setting}"), "0")));
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::files;
    use std::fs::File;
    use std::io::Write;
    use std::path::Path;
    use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

    const PACKAGE: &str = "nothing-1.0-py3-none-any.whl";

    /// Writes a wheel of the package that the file's name tells, with `entries` that all say "code".
    pub fn wheel(path: &Path, entries: &[&str]) {
        let package: Vec<String> = files::name(path).split('-').map(str::to_owned).collect();
        let about =
            format!("Metadata-Version: 2.1\nName: {}\nVersion: {}\n", package[0], package[1]);
        let folder = format!("{}-{}.dist-info", package[0], package[1]);
        files::write(path, "").unwrap();
        let mut zip = ZipWriter::new(File::create(path).unwrap());
        let mut add = |name: &str, text: &str| {
            let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
            zip.start_file(name, stored).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        };
        add(&format!("{folder}/METADATA"), &about);
        add(&format!("{folder}/WHEEL"), "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n");
        entries.iter().for_each(|name| add(name, "code"));
        zip.finish().unwrap();
    }

    #[test]
    fn no_variable_of_the_users_keeps_pip_from_its_work() {
        let scratch = tempfile::tempdir().unwrap();
        let (shelf, arrived) = (scratch.path().join("shelf"), scratch.path().join("arrived"));
        wheel(&shelf.join(PACKAGE), &[]);
        let variables = [
            // A folder of packages in place of an index is one of the things that may be set.
            ("PIP_FIND_LINKS", shelf.to_str().unwrap()),
            ("PIP_NO_INDEX", "1"),
            // Each of these makes pip fail.
            ("PIP_REQUIRE_VIRTUALENV", "1"),
            ("PIP_REQUIRE_HASHES", "1"),
            ("PIP_CONSTRAINT", "/no/such/file"),
            ("PIP_REQUIREMENT", "/no/such/file"),
        ];
        let words = find().unwrap();
        let mut pip = Command::new(&words[0]);
        pip.args(&words[1..]).args(["download", "--no-deps", "nothing==1.0", "-d"]).arg(&arrived);
        settle(pip.envs(variables), variables.iter().map(|(name, _)| name.into()));
        assert!(succeeds(&mut pip) && arrived.join(PACKAGE).is_file());
    }

    #[test]
    fn what_leads_to_packages_is_kept_and_a_lack_of_any_is_not() {
        let mut pip = Command::new("pip");
        let names =
            ["PIP_INDEX_URL", "PIP_CERT", "PIP_PROXY", "PIP_NO_INDEX", "PIP_TARGET", "PATH"];
        settle(&mut pip, names.map(OsString::from).into_iter());
        let removed = pip.get_envs().filter(|(_, value)| value.is_none()).map(|(name, _)| name);
        assert_eq!(removed.collect::<Vec<_>>(), ["PIP_NO_INDEX", "PIP_TARGET"]);
    }
}
