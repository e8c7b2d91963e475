//! How the program ends, what it writes and what it says, apart from the sealing.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};

use crate::sector::{Sector, SEAL};
use serde_json::{json, Value};

fn pledge(sector: &Sector) -> Value {
    json!({"seal_proof_type": SEAL, "pieces": [], "staged_filepath": sector.path("unsealed")})
}

struct Stream {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Stream {
    fn start(sector: &Sector, arguments: &[&str]) -> Self {
        let mut child = sector
            .program()
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, answers }
    }

    fn send(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn answer(&mut self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }

    fn end(mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
        assert_eq!(self.line(), "");
    }
}

#[test]
fn a_stage_that_fails_says_why_in_its_output_and_exits_with_1() {
    let failed = Sector::new().job("tree_d", &json!({"registered_proof": SEAL}));
    assert_eq!(failed.status, 1);
    assert_eq!(
        failed.answer.unwrap(),
        json!({"err_msg": "task of tree_d: missing field `staged_file`", "output": null})
    );
}

#[test]
fn a_task_that_is_no_json_fails_like_any_other() {
    let sector = Sector::new();
    let (task, output) = (sector.path("bad.json"), sector.path("bad.output.json"));
    fs::write(&task, "{").unwrap();
    let ended = sector.run(["pc1", "--task"].map(Path::new).into_iter().chain([
        task.as_path(),
        "--output".as_ref(),
        &output,
    ]));
    assert_eq!(ended.status.code(), Some(1));
    assert!(fs::read_to_string(output).unwrap().contains("parse task"));
}

#[test]
fn wrong_usage_exits_with_2_and_writes_nothing() {
    let sector = Sector::new();
    let output = sector.path("output.json");
    for arguments in [
        vec![
            "pc9".as_ref(),
            "--task".as_ref(),
            Path::new("a"),
            "--output".as_ref(),
            &output,
        ],
        vec!["pc1".as_ref(), "--output".as_ref(), &output],
        vec!["processor".as_ref(), Path::new("transfer")],
        vec![
            "params".as_ref(),
            "--sector-size".as_ref(),
            Path::new("3KiB"),
        ],
    ] {
        let ended = sector.run(arguments);
        assert_eq!(ended.status.code(), Some(2));
        assert!(!ended.stderr.is_empty() && !output.exists());
    }
}

#[test]
fn an_output_that_cannot_be_written_exits_with_3() {
    let sector = Sector::new();
    let task = sector.path("task.json");
    fs::write(&task, pledge(&sector).to_string()).unwrap();
    let nowhere = sector.path("no/such/folder/output.json");
    let ended = sector.run([
        "add_pieces".as_ref(),
        "--task".as_ref(),
        task.as_path(),
        "--output".as_ref(),
        &nowhere,
    ]);
    assert_eq!(ended.status.code(), Some(3));
}

#[test]
fn stages_are_listed_as_json() {
    let listed = Sector::new().run([Path::new("stages")]).stdout;
    let names: Vec<String> = serde_json::from_slice(&listed).unwrap();
    for protocols in [
        "add_pieces",
        "tree_d",
        "pc1",
        "pc2",
        "c2",
        "snap_encode",
        "snap_prove",
    ] {
        assert!(names.iter().any(|name| name == protocols), "{protocols}");
    }
}

#[test]
fn params_check_looks_into_the_cache_it_is_given() {
    let sector = Sector::new();
    let cache = sector.path("cache");
    let ended = sector.run([
        "params".as_ref(),
        "--check".as_ref(),
        "--sector-size".as_ref(),
        Path::new("512MiB"),
        "--cache".as_ref(),
        &cache,
    ]);
    assert_eq!(ended.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!(report["complete"], json!(false));
    assert_eq!(report["cache"], json!(cache));
    assert!(!cache.exists(), "looking makes nothing");
}

#[test]
fn production_parameters_are_not_made() {
    let sector = Sector::new();
    let ended = sector.run([
        "params".as_ref(),
        "--sector-size".as_ref(),
        Path::new("32GiB"),
        "--cache".as_ref(),
        &sector.path("cache"),
    ]);
    assert_eq!(ended.status.code(), Some(1));
    assert!(String::from_utf8(ended.stderr)
        .unwrap()
        .contains("trusted setup"));
}

#[test]
fn a_stream_answers_every_task_by_its_id() {
    let sector = Sector::new();
    for arguments in [["add_pieces", "--stream"], ["processor", "add_pieces"]] {
        let mut stream = Stream::start(&sector, &arguments);
        assert_eq!(stream.line(), "add_pieces processor ready");
        stream.send(&json!({"id": 7, "task": pledge(&sector)}).to_string());
        let answer = stream.answer();
        assert_eq!(answer["id"], json!(7));
        assert_eq!(answer["err_msg"], Value::Null);
        assert_eq!(answer["output"][0]["size"], json!(2032));
        stream.end();
    }
}

#[test]
fn a_stream_survives_lines_and_tasks_that_are_wrong() {
    let sector = Sector::new();
    let mut stream = Stream::start(&sector, &["add_pieces", "--stream"]);
    stream.line();
    stream.send("not json");
    stream.send(&json!({"id": 1, "task": {"pieces": 5}}).to_string());
    assert_eq!(stream.answer()["id"], json!(1));
    stream.send(&json!({"id": 2, "task": pledge(&sector)}).to_string());
    assert_eq!(stream.answer()["err_msg"], Value::Null);
    stream.end();
}

#[test]
fn a_stream_takes_outputs_by_reference() {
    let sector = Sector::new();
    let infos = sector.add_pieces(&json!([]), "unsealed");
    let mut stream = Stream::start(&sector, &["pc1", "--stream"]);
    stream.line();
    let task = json!({
        "registered_proof": SEAL, "cache_path": sector.path("cache"), "in_path": sector.path("unsealed"),
        "out_path": sector.path("sealed"), "piece_infos": sector.reference("add_pieces"),
    });
    stream
        .send(&json!({"id": 1, "task": crate::sector::with(task, sector.identity())}).to_string());
    assert_eq!(stream.answer()["output"]["comm_d"], infos[0]["commitment"]);
    stream.end();
}
