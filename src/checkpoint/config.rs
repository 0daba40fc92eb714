use super::CheckpointError;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

pub(super) const FORMAT: u64 = 1;

#[derive(Serialize, Deserialize)]
struct Saved<C> {
    format: u64,
    from_noise: String,
    config: C,
    /// What a resumed run has changed of it, and at which step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    changes: Vec<String>,
}

/// The config saved in the run directory `dir`, to build the network that its weights fit.
pub fn read_config<C: DeserializeOwned>(dir: impl AsRef<Path>) -> Result<C, CheckpointError> {
    let (path, saved) = read(dir.as_ref())?;
    serde_json::from_value(saved.config)
        .map_err(|e| CheckpointError::Config { path, why: e.to_string() })
}

pub(super) fn write<C: Serialize>(dir: &Path, config: &C) -> Result<(), CheckpointError> {
    super::write(&dir.join("config.json"), text(dir, config, Vec::new())?.as_bytes())
}

/// The `config.json` of a run whose config changes at `step`.
pub(super) fn changed<C: Serialize>(
    dir: &Path,
    config: &C,
    step: u64,
    new: &[String],
) -> Result<String, CheckpointError> {
    let mut changes = read(dir)?.1.changes;
    changes.extend(new.iter().map(|change| format!("at step {step}: {change}")));
    text(dir, config, changes)
}

fn text<C: Serialize>(
    dir: &Path,
    config: &C,
    changes: Vec<String>,
) -> Result<String, CheckpointError> {
    let from_noise = env!("CARGO_PKG_VERSION").into();
    let saved = Saved { format: FORMAT, from_noise, config, changes };
    let text = serde_json::to_string_pretty(&saved);
    let text = text.map_err(|e| CheckpointError::Config {
        path: dir.join("config.json"),
        why: e.to_string(),
    })?;
    Ok(text + "\n")
}

/// Refuses a config that differs from the saved one, field by field, but for the fields that
/// `may_change`; returns what of these does, a line each. A field that an older version did not
/// know has its default.
pub(super) fn check<C: Serialize + DeserializeOwned>(
    dir: &Path,
    asked: &C,
    may_change: &[&str],
) -> Result<Vec<String>, CheckpointError> {
    let path = dir.join("config.json");
    let value = |config: &C| {
        let text = serde_json::to_string(config);
        let value = text.and_then(|text| serde_json::from_str::<Value>(&text));
        value.map_err(|e| CheckpointError::Config { path: path.clone(), why: e.to_string() })
    };
    let below = |name: &str, field: &&&str| {
        name.strip_prefix(**field)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let diff = diff(&value(&read_config(dir)?)?, &value(asked)?).into_iter();
    let (allowed, refused): (Vec<_>, Vec<_>) =
        diff.partition(|(name, _)| may_change.iter().any(|field| below(name, &field)));
    if refused.is_empty() {
        return Ok(allowed.into_iter().map(|(_, change)| change).collect());
    }
    let lines: Vec<String> = refused.iter().map(|(_, change)| format!("  {change}")).collect();
    Err(CheckpointError::ConfigDiffers { path, diff: lines.join("\n") })
}

fn read(dir: &Path) -> Result<(PathBuf, Saved<Value>), CheckpointError> {
    let path = dir.join("config.json");
    let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => CheckpointError::NoRun { dir: dir.into() },
        _ => CheckpointError::io(&path, "read the config")(error),
    })?;
    match serde_json::from_str::<Saved<Value>>(&text) {
        Err(e) => Err(CheckpointError::Config { path, why: e.to_string() }),
        Ok(saved) if saved.format != FORMAT => {
            Err(CheckpointError::Format { path, found: saved.format, expected: FORMAT })
        }
        Ok(saved) => Ok((path, saved)),
    }
}

/// Each field that differs by its name, and how: `train.lr: 0.001 -> 0.0002`.
fn diff(saved: &Value, asked: &Value) -> Vec<(String, String)> {
    let (saved, asked) = (leaves(saved), leaves(asked));
    let mut names: Vec<&String> = saved.keys().chain(asked.keys()).collect();
    names.sort();
    names.dedup();
    let show = |side: &BTreeMap<String, String>, name: &str| {
        side.get(name).map_or("(none)".into(), String::clone)
    };
    let lines = names.into_iter().filter(|name| saved.get(*name) != asked.get(*name));
    lines
        .map(|name| {
            (name.clone(), format!("{name}: {} -> {}", show(&saved, name), show(&asked, name)))
        })
        .collect()
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
        let expected = [
            "gone: true -> (none)",
            "lr: 0.1 -> 0.2",
            "net.mult[1]: 2 -> 3",
            "net.mult[2]: (none) -> 4",
        ];
        let found: Vec<String> = diff(&saved, &asked).into_iter().map(|(_, line)| line).collect();
        assert_eq!(found, expected);
        assert_eq!(diff(&saved, &saved), []);
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
