//! A sector of 2 KiB in a temporary folder, and the program run on it as a worker does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{json, Value};
use tempfile::TempDir;

pub const SEAL: &str = "StackedDrg2KiBV1_1";
pub const SYNTHETIC: &str = "StackedDrg2KiBV1_1_Feat_SyntheticPoRep";
pub const UPDATE: &str = "StackedDrg2KiBV1";
const TICKET: [u8; 32] = [7; 32];

/// What a job came to: its exit status, and its answer where it wrote one.
pub struct Done {
    pub status: i32,
    pub answer: Option<Value>,
}

impl Done {
    pub fn output(self) -> Value {
        let mut answer = self.answer.expect("an answer");
        assert_eq!(answer["err_msg"], Value::Null);
        assert_eq!(self.status, 0);
        answer["output"].take()
    }
}

pub struct Sector {
    folder: TempDir,
}

impl Sector {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_seal-processor"));
        command.env("FIL_PROOFS_PARENT_CACHE", self.path("parents"));
        command
    }

    pub fn job(&self, stage: &str, task: &Value) -> Done {
        let (file, output) = (self.path("task.json"), self.answer_path(stage));
        fs::write(&file, task.to_string()).unwrap();
        let ended = self.run([
            stage.as_ref(),
            "--task".as_ref(),
            file.as_path(),
            "--output".as_ref(),
            &output,
        ]);
        assert!(ended.stdout.is_empty(), "standard output is the protocol's");
        Done {
            status: ended.status.code().expect("no signal"),
            answer: fs::read(&output)
                .ok()
                .map(|bytes| serde_json::from_slice(&bytes).unwrap()),
        }
    }

    pub fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a Path>) -> Output {
        self.program().args(arguments).output().unwrap()
    }

    /// Stands in a task for the output that this stage gave.
    pub fn reference(&self, stage: &str) -> Value {
        json!({"$file": self.answer_path(stage)})
    }

    pub fn add_pieces(&self, pieces: &Value, staged: &str) -> Value {
        self.job(
            "add_pieces",
            &json!({"seal_proof_type": SEAL, "pieces": pieces, "staged_filepath": self.path(staged)}),
        )
        .output()
    }

    /// The fields that many tasks share.
    pub fn identity(&self) -> Value {
        let mut prover_id = vec![0xe8, 0x07];
        prover_id.resize(32, 0);
        json!({"prover_id": prover_id, "sector_id": 5, "ticket": TICKET})
    }

    /// From pieces to a sealed sector; gives the fields that what follows has in common.
    pub fn seal(&self, proof: &str, pieces: &Value) -> Value {
        let piece_infos = self.add_pieces(pieces, "unsealed");
        let tree_d = json!({
            "registered_proof": proof, "staged_file": self.path("unsealed"), "cache_dir": self.path("cache"),
        });
        assert_eq!(self.job("tree_d", &tree_d).output(), json!(true));
        let pc1 = json!({
            "registered_proof": proof, "cache_path": self.path("cache"), "in_path": self.path("unsealed"),
            "out_path": self.path("sealed"), "piece_infos": piece_infos,
        });
        self.job("pc1", &with(pc1, self.identity())).output();
        let pc2 = json!({
            "pc1out": self.reference("pc1"), "cache_dir": self.path("cache"), "sealed_file": self.path("sealed"),
        });
        let sealed = self.job("pc2", &pc2).output();
        let common = json!({
            "registered_proof": proof, "cache_path": self.path("cache"), "replica_path": self.path("sealed"),
            "comm_r": sealed["comm_r"], "comm_d": sealed["comm_d"], "piece_infos": piece_infos,
        });
        with(common, self.identity())
    }

    fn answer_path(&self, stage: &str) -> PathBuf {
        self.path(&format!("{stage}.output.json"))
    }
}

/// The fields of both.
pub fn with(mut task: Value, more: Value) -> Value {
    let Value::Object(more) = more else {
        panic!("an object")
    };
    task.as_object_mut().unwrap().extend(more);
    task
}
