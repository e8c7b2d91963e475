//! Our program driven as damocles drives a processor: by the crate's own side of the line protocol.

use std::path::PathBuf;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use crate::sector::{Sector, SEAL};
use serde::{Deserialize, Serialize};
use serde_json::{json, Value};
use vc_processors::core::ext::{BoxedFinalizeHook, BoxedPrepareHook, Producer, ProducerBuilder};
use vc_processors::core::{Processor, Task};

#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
struct AddPieces(Value);

impl Task for AddPieces {
    const STAGE: &'static str = "add_pieces";
    type Output = Value;
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
struct TreeD(Value);

impl Task for TreeD {
    const STAGE: &'static str = "tree_d";
    type Output = bool;
}

type Driver<T> = Producer<T, BoxedPrepareHook<T>, BoxedFinalizeHook<T>>;

/// Starts the program as that worker does without `bin` and `args`. It ends with this process, which is its input's end.
fn driver<T: Task>() -> Driver<T> {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_seal-processor"));
    let arguments = ["processor", T::STAGE].map(str::to_owned).to_vec();
    ProducerBuilder::new(program, arguments)
        .stable_timeout(Duration::from_secs(30))
        .spawn()
        .expect("says that it is ready")
}

/// Gives both sectors' tasks to one process at once, and returns their answers.
fn both<T: Task>(
    driver: &Driver<T>,
    sectors: &[Sector; 2],
    task: fn(&Sector) -> T,
) -> Vec<T::Output> {
    let together = Barrier::new(sectors.len());
    thread::scope(|scope| {
        let asked = sectors.each_ref().map(|sector| {
            scope.spawn(|| {
                together.wait();
                driver.process(task(sector)).expect("an answer")
            })
        });
        asked.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

#[test]
fn two_sectors_at_once_get_each_their_own_answer() {
    let sectors = [Sector::new(), Sector::new()];
    let pieces = both(&driver::<AddPieces>(), &sectors, |sector| {
        AddPieces(
            json!({"seal_proof_type": SEAL, "pieces": [], "staged_filepath": sector.path("unsealed")}),
        )
    });
    let trees = both(&driver::<TreeD>(), &sectors, |sector| {
        TreeD(json!({
            "registered_proof": SEAL, "staged_file": sector.path("unsealed"), "cache_dir": sector.path("cache"),
        }))
    });
    assert_eq!(pieces[0], pieces[1]);
    assert_eq!(pieces[0][0]["size"], json!(2032));
    assert_eq!(trees, [true, true]);
    for sector in &sectors {
        assert!(sector.path("cache/sc-02-data-tree-d.dat").exists());
    }
}

#[test]
fn a_failure_comes_with_its_reason_and_the_next_task_is_done() {
    let (driver, sector) = (driver::<AddPieces>(), Sector::new());
    let failed = driver.process(AddPieces(json!({"pieces": 5}))).unwrap_err();
    assert!(
        failed.to_string().contains("task of add_pieces"),
        "{failed}"
    );
    let task =
        json!({"seal_proof_type": SEAL, "pieces": [], "staged_filepath": sector.path("unsealed")});
    assert!(driver.process(AddPieces(task)).is_ok());
}
