use super::CheckpointError;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

pub(super) const FORMAT: u64 = 1;

#[derive(Serialize, Deserialize)]
struct Saved<C> {
    format: u64,
    from_noise: String,
    config: C,
}

/// The config saved in the run directory `dir`, to build the network that its weights fit.
pub fn read_config<C: DeserializeOwned>(dir: impl AsRef<Path>) -> Result<C, CheckpointError> {
    let (path, config) = read(dir.as_ref())?;
    serde_json::from_value(config).map_err(|e| CheckpointError::Config { path, why: e.to_string() })
}

pub(super) fn write<C: Serialize>(dir: &Path, config: &C) -> Result<(), CheckpointError> {
    let path = dir.join("config.json");
    let saved = Saved { format: FORMAT, from_noise: env!("CARGO_PKG_VERSION").into(), config };
    let mut text = serde_json::to_string_pretty(&saved)
        .map_err(|e| CheckpointError::Config { path: path.clone(), why: e.to_string() })?;
    text.push('\n');
    super::write(&path, text.as_bytes())
}

/// Refuses a config that differs from the saved one, field by field. A field that an older version
/// did not know has its default.
pub(super) fn check<C: Serialize + DeserializeOwned>(
    dir: &Path,
    asked: &C,
) -> Result<(), CheckpointError> {
    let path = dir.join("config.json");
    let value = |config: &C| {
        let text = serde_json::to_string(config);
        let value = text.and_then(|text| serde_json::from_str::<Value>(&text));
        value.map_err(|e| CheckpointError::Config { path: path.clone(), why: e.to_string() })
    };
    let diff = diff(&value(&read_config(dir)?)?, &value(asked)?);
    if diff.is_empty() { Ok(()) } else { Err(CheckpointError::ConfigDiffers { path, diff }) }
}

fn read(dir: &Path) -> Result<(PathBuf, Value), CheckpointError> {
    let path = dir.join("config.json");
    let text = fs::read_to_string(&path).map_err(CheckpointError::io(&path, "read the config"))?;
    match serde_json::from_str::<Saved<Value>>(&text) {
        Err(e) => Err(CheckpointError::Config { path, why: e.to_string() }),
        Ok(saved) if saved.format != FORMAT => {
            Err(CheckpointError::Format { path, found: saved.format, expected: FORMAT })
        }
        Ok(saved) => Ok((path, saved.config)),
    }
}

/// One line for each field that differs: `  train.lr: 0.001 -> 0.0002`.
fn diff(saved: &Value, asked: &Value) -> String {
    let (saved, asked) = (leaves(saved), leaves(asked));
    let mut names: Vec<&String> = saved.keys().chain(asked.keys()).collect();
    names.sort();
    names.dedup();
    let show = |side: &BTreeMap<String, String>, name: &str| {
        side.get(name).map_or("(none)".into(), String::clone)
    };
    let lines = names.into_iter().filter(|name| saved.get(*name) != asked.get(*name));
    lines
        .map(|name| format!("  {name}: {} -> {}", show(&saved, name), show(&asked, name)))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Every scalar (and empty container) of `value` under its path.
fn leaves(value: &Value) -> BTreeMap<String, String> {
    fn walk(value: &Value, path: String, into: &mut BTreeMap<String, String>) {
        let dot = if path.is_empty() { "" } else { "." };
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                fields.iter().for_each(|(name, v)| walk(v, format!("{path}{dot}{name}"), into));
            }
            Value::Array(items) if !items.is_empty() => {
                items.iter().enumerate().for_each(|(i, v)| walk(v, format!("{path}[{i}]"), into));
            }
            leaf => {
                into.insert(path, leaf.to_string());
            }
        }
    }
    let mut into = BTreeMap::new();
    walk(value, String::new(), &mut into);
    into
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_diff_names_each_changed_added_and_removed_field() {
        let saved =
            json!({"lr": 0.1, "net": {"width": 8, "mult": [1, 2]}, "gone": true, "same": "x"});
        let asked = json!({"lr": 0.2, "net": {"width": 8, "mult": [1, 3, 4]}, "same": "x"});
        let expected = "  gone: true -> (none)\n  lr: 0.1 -> 0.2\n  net.mult[1]: 2 -> 3\n  net.mult[2]: (none) -> 4";
        assert_eq!(diff(&saved, &asked), expected);
        assert_eq!(diff(&saved, &saved), "");
    }

    #[test]
    fn every_double_survives_config_json() {
        let dir = tempfile::tempdir().unwrap();
        // The smallest, one that a fast parser misses by a bit, and the largest.
        let numbers = vec![5e-324, 1.0 / 11.0, f64::MAX, -0.0];
        let many: Vec<f64> = (1..2000u64)
            .map(|i| f64::from_bits(i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 2))
            .collect();
        for config in [numbers, many] {
            write(dir.path(), &config).unwrap();
            let read: Vec<f64> = read_config(dir.path()).unwrap();
            assert!(config.iter().zip(&read).all(|(a, b)| a.to_bits() == b.to_bits()));
        }
    }
}
