//! Large outputs travel by reference: `{"$file": "/job/output.json"}` in a task stands for that job's output.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{bail, ensure, Context, Result};
use serde::Deserialize;
use serde_json::Value;

const KEY: &str = "$file";

#[derive(Deserialize)]
struct Answer {
    err_msg: Option<String>,
    #[serde(default)]
    output: Value,
}

/// The task with every reference replaced. What a file holds is data: references in there are left alone.
pub fn resolved(task: Value) -> Result<Value> {
    if let Some(path) = referenced(&task) {
        return output_in(Path::new(path))
            .with_context(|| format!("output referred to in the task: {path}"));
    }
    match task {
        Value::Array(items) => items.into_iter().map(resolved).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| Ok((name, resolved(value)?)))
            .collect(),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => Ok(plain),
    }
}

fn referenced(value: &Value) -> Option<&str> {
    let fields = value.as_object().filter(|fields| fields.len() == 1)?;
    fields.get(KEY)?.as_str()
}

fn output_in(path: &Path) -> Result<Value> {
    ensure!(path.is_absolute(), "the path must be absolute");
    let answer: Answer = serde_json::from_reader(BufReader::new(File::open(path)?))?;
    if let Some(why) = answer.err_msg {
        bail!("that job failed: {why}");
    }
    ensure!(!answer.output.is_null(), "there is no output in the file");
    Ok(answer.output)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;
    use tempfile::tempdir;

    use super::*;

    fn resolve_one(content: &str) -> Result<Value> {
        let folder = tempdir().unwrap();
        let path = folder.path().join("output.json");
        fs::write(&path, content).unwrap();
        resolved(json!({"id": 7, "inner": [{"c1out": {"$file": path}}]}))
    }

    #[test]
    fn a_reference_at_any_depth_becomes_the_output() {
        let task = resolve_one(r#"{"err_msg": null, "output": {"$file": "kept"}}"#).unwrap();
        assert_eq!(
            task,
            json!({"id": 7, "inner": [{"c1out": {"$file": "kept"}}]})
        );
    }

    #[test]
    fn a_failed_jobs_output_is_refused_with_its_reason() {
        let error = resolve_one(r#"{"err_msg": "no space", "output": null}"#).unwrap_err();
        assert!(format!("{error:#}").ends_with("that job failed: no space"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = resolved(json!({"$file": "/no/such/output.json"})).unwrap_err();
        assert!(format!("{error:#}").contains("/no/such/output.json"));
    }

    #[test]
    fn only_the_exact_form_is_a_reference() {
        for plain in [json!({"$file": 1}), json!({"$file": "/a", "more": 1})] {
            assert_eq!(resolved(plain.clone()).unwrap(), plain);
        }
    }

    #[test]
    fn a_relative_path_is_refused() {
        assert!(resolved(json!({"$file": "output.json"})).is_err());
    }
}
