//! Real sectors of 2 KiB through every stage. What needs Groth16 parameters is ignored by default:
//! `cargo test --release -- --ignored`, with FIL_PROOFS_PARAMETER_CACHE where `seal-processor params` has put them.

use std::fs;

use crate::sector::{with, Sector, SEAL, SYNTHETIC, UPDATE};
use serde_json::{json, Value};

const DATA: usize = 2032;
const SEED: [u8; 32] = [9; 32];

fn client_data(sector: &Sector) -> (Vec<u8>, Value) {
    let data: Vec<u8> = (0..DATA).map(|at| (at * at % 251) as u8).collect();
    let path = sector.path("piece");
    fs::write(&path, &data).unwrap();
    let piece = json!({"piece_file": {"local": path}, "payload_size": DATA, "piece_size": DATA});
    (data, json!([piece]))
}

fn unsealed(sector: &Sector, sealed: &Value) -> Vec<u8> {
    let task = json!({
        "registered_proof": sealed["registered_proof"], "cache_path": sector.path("unseal-cache"),
        "sealed_path": sector.path("sealed"), "out_path": sector.path("raw"), "comm_d": sealed["comm_d"],
        "offset": 0, "size": DATA,
    });
    let written = sector.job("unseal", &with(task, sector.identity()));
    assert_eq!(written.output(), json!(DATA));
    fs::read(sector.path("raw")).unwrap()
}

fn commit_one(sector: &Sector, sealed: &Value) {
    let task = with(sealed.clone(), json!({"seed": SEED}));
    sector.job("c1", &task).output();
}

fn remove_layers(sector: &Sector) {
    for layer in [1, 2] {
        fs::remove_file(sector.path(&format!("cache/sc-02-data-layer-{layer}.dat"))).unwrap();
    }
}

fn encoded(sector: &Sector, sealed: &Value, pieces: &Value) -> Value {
    let piece_infos = sector.add_pieces(pieces, "new-unsealed");
    let task = json!({
        "registered_proof": UPDATE, "new_replica_path": sector.path("update"),
        "new_cache_path": sector.path("update-cache"), "sector_path": sector.path("sealed"),
        "sector_cache_path": sector.path("cache"), "staged_data_path": sector.path("new-unsealed"),
        "piece_infos": piece_infos,
    });
    let encoded = sector.job("snap_encode", &task).output();
    let again = sector.job("snap_encode", &task).output();
    assert_eq!(
        encoded, again,
        "encoding can be repeated over its own leavings"
    );
    json!({
        "registered_proof": UPDATE, "comm_r_old": sealed["comm_r"],
        "comm_r_new": encoded["comm_r_new"], "comm_d_new": encoded["comm_d_new"],
    })
}

fn old_and_new(sector: &Sector) -> Value {
    json!({
        "sector_path": sector.path("sealed"), "sector_cache_path": sector.path("cache"),
        "replica_path": sector.path("update"), "replica_cache_path": sector.path("update-cache"),
    })
}

#[test]
fn a_sealed_sector_answers_its_challenges_and_gives_its_data_back() {
    let sector = Sector::new();
    let (data, pieces) = client_data(&sector);
    let sealed = sector.seal(SEAL, &pieces);
    commit_one(&sector, &sealed);
    assert_eq!(unsealed(&sector, &sealed), data);
}

#[test]
fn synthetic_proofs_do_without_the_layers() {
    let sector = Sector::new();
    let sealed = sector.seal(SYNTHETIC, &json!([]));
    assert_eq!(
        sector.job("synthetic_proofs", &sealed).output(),
        json!(true)
    );
    remove_layers(&sector);
    commit_one(&sector, &sealed);
}

#[test]
fn without_synthetic_proofs_missing_layers_are_an_error() {
    let sector = Sector::new();
    let sealed = sector.seal(SEAL, &json!([]));
    remove_layers(&sector);
    let failed = sector.job("c1", &with(sealed, json!({"seed": SEED})));
    assert_eq!(failed.status, 1);
}

#[test]
fn a_repeated_pc2_gives_the_same_replica_from_restored_data() {
    let sector = Sector::new();
    let (_, pieces) = client_data(&sector);
    let sealed = sector.seal(SEAL, &pieces);
    fs::copy(sector.path("unsealed"), sector.path("sealed")).unwrap();
    for name in [
        "p_aux",
        "t_aux",
        "sc-02-data-tree-c.dat",
        "sc-02-data-tree-r-last.dat",
    ] {
        fs::remove_file(sector.path("cache").join(name)).unwrap();
    }
    let task = json!({
        "pc1out": sector.reference("pc1"), "cache_dir": sector.path("cache"), "sealed_file": sector.path("sealed"),
    });
    assert_eq!(
        sector.job("pc2", &task).output()["comm_r"],
        sealed["comm_r"]
    );
    commit_one(&sector, &sealed);
}

#[test]
fn a_snapped_up_sector_gives_its_new_data_back() {
    let sector = Sector::new();
    let sealed = sector.seal(SEAL, &json!([]));
    let update = encoded(&sector, &sealed, &client_data(&sector).1);
    sector
        .job("snap_vanilla", &with(update.clone(), old_and_new(&sector)))
        .output();
    let decode = with(update, old_and_new(&sector));
    let decode = with(decode, json!({"out_path": sector.path("decoded")}));
    assert_eq!(sector.job("snap_decode", &decode).output(), json!(true));
    let [decoded, staged] =
        ["decoded", "new-unsealed"].map(|name| fs::read(sector.path(name)).unwrap());
    assert_eq!(decoded, staged);
}

#[test]
#[ignore = "a minute, 3 GB of memory, and the PoRep parameters"]
fn a_seal_proof_verifies_for_its_sector_only() {
    for proof in [SEAL, SYNTHETIC] {
        let sector = Sector::new();
        let sealed = sector.seal(proof, &json!([]));
        if proof == SYNTHETIC {
            sector.job("synthetic_proofs", &sealed).output();
        }
        commit_one(&sector, &sealed);
        let c2 = with(
            json!({"c1out": sector.reference("c1"), "miner_id": 1000}),
            sector.identity(),
        );
        let proof = sector.job("c2", &c2).output()["proof"].take();
        let verify = with(sealed, json!({"seed": SEED, "proof": proof}));
        assert_eq!(sector.job("verify_seal", &verify).output(), json!(true));
        let other = with(verify, json!({"sector_id": 6}));
        assert_eq!(sector.job("verify_seal", &other).output(), json!(false));
    }
}

#[test]
#[ignore = "half a minute, 2 GB of memory, and the update parameters"]
fn a_snap_proof_verifies_for_its_data_only() {
    let sector = Sector::new();
    let sealed = sector.seal(SEAL, &json!([]));
    let update = encoded(&sector, &sealed, &client_data(&sector).1);
    sector
        .job("snap_vanilla", &with(update.clone(), old_and_new(&sector)))
        .output();
    let prove = with(
        update.clone(),
        json!({"vannilla_proofs": sector.reference("snap_vanilla")}),
    );
    let proof = sector.job("snap_prove", &prove).output();
    let verify = with(update, json!({"proof": proof}));
    assert_eq!(sector.job("verify_snap", &verify).output(), json!(true));
    let other = with(verify, json!({"comm_d_new": sealed["comm_d"]}));
    assert_eq!(sector.job("verify_snap", &other).output(), json!(false));
}
