//! The stages by name. A stage is a task with its output, and what to do: one type each, in the files beside this one.
//!
//! To add one: write its type with `Task` and `Work`, and name it in `ALL`.

mod pieces;
mod porep;
mod snap;
mod tree_d;
mod unseal;

use anyhow::{Context, Result};
use serde_json::value::{to_raw_value, RawValue};
use serde_json::Value;
use vc_processors::core::Task;

use crate::{reference, stream};

/// A task that can be done here.
pub trait Work: Task {
    fn run(self) -> Result<Self::Output>;
}

/// A stage, its types put behind functions, so that it can be looked up by name.
pub struct Stage {
    pub name: &'static str,
    pub about: &'static str,
    /// Does one task, from JSON to JSON.
    pub run: fn(Value) -> Result<Box<RawValue>>,
    /// Does the tasks that come as lines on standard input.
    pub serve: fn() -> Result<()>,
}

pub static ALL: [Stage; 15] = [
    stage::<pieces::AddPieces>("Write the pieces into the unsealed file"),
    stage::<pieces::PieceCommitment>("Compute a piece's commitment"),
    stage::<tree_d::TreeD>("Build the tree over the unsealed data"),
    stage::<porep::PC1>("Pre-commit 1: label the layers"),
    stage::<porep::PC2>("Pre-commit 2: build the trees, encode the replica"),
    stage::<porep::SyntheticProofs>("Prepare the synthetic proofs, so that the layers can go"),
    stage::<porep::C1>("Commit 1: answer the challenges"),
    stage::<porep::C2>("Commit 2: prove the answers in zero knowledge"),
    stage::<porep::VerifySeal>("Verify the proof of C2"),
    stage::<snap::SnapEncode>("Encode new data into a sealed sector"),
    stage::<snap::SnapVanilla>("Answer the challenges of a snap-up"),
    stage::<snap::SnapProve>("Prove a snap-up in zero knowledge"),
    stage::<snap::VerifySnap>("Verify the proof of a snap-up"),
    stage::<snap::SnapDecode>("Read the data back out of a snapped-up sector"),
    stage::<unseal::Unseal>("Read data back out of a sealed sector"),
];

pub fn named(name: &str) -> Option<&'static Stage> {
    ALL.iter().find(|stage| stage.name == name)
}

pub fn names() -> Vec<&'static str> {
    ALL.iter().map(|stage| stage.name).collect()
}

/// From JSON to the output: puts the outputs that are referred to in their places, and does the work.
pub fn perform<W: Work>(task: Value) -> Result<W::Output> {
    let task: W = serde_json::from_value(reference::resolved(task)?)
        .with_context(|| format!("task of {}", W::STAGE))?;
    task.run()
}

const fn stage<W: Work>(about: &'static str) -> Stage {
    Stage {
        name: W::STAGE,
        about,
        run: |task| Ok(to_raw_value(&perform::<W>(task)?)?),
        serve: stream::serve::<W>,
    }
}
