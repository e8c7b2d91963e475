//! Pieces: client data, or zeros, bit-padded and laid one after the other into the unsealed file.
//!
//! Sizes as in damocles: `payload_size` is the data's own length, `piece_size` the unpadded size that it is filled up
//! to with zeros (127/128 of a power of two), and so is the `size` in a piece's info.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{bail, ensure, Context, Result};
use filecoin_proofs::pieces::zero_padding;
use filecoin_proofs::write_and_preprocess;
use filecoin_proofs_api::{PaddedBytesAmount, PieceInfo, RegisteredSealProof, UnpaddedBytesAmount};
use serde::{Deserialize, Serialize};
use vc_processors::core::Task;

use super::Work;
use crate::files;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PieceFile {
    Url(String),
    Local(PathBuf),
    Pledge,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Piece {
    pub piece_file: PieceFile,
    pub payload_size: u64,
    pub piece_size: UnpaddedBytesAmount,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct AddPieces {
    pub seal_proof_type: RegisteredSealProof,
    /// None means one piece of zeros that fills the sector.
    pub pieces: Vec<Piece>,
    pub staged_filepath: PathBuf,
}

impl Task for AddPieces {
    const STAGE: &'static str = "add_pieces";
    type Output = Vec<PieceInfo>;
}

impl Work for AddPieces {
    fn run(self) -> Result<Vec<PieceInfo>> {
        let sector = PaddedBytesAmount::from(self.seal_proof_type.sector_size());
        let staged = files::create_zeroed(&self.staged_filepath, 0)?;
        let infos = if self.pieces.is_empty() {
            vec![zero_padding(sector.into())?]
        } else {
            lay_out(&self.pieces, &staged, sector.0)?
        };
        // Zeros, whole pieces of them too, are holes: this is what makes the file as long as the sector.
        staged.set_len(sector.0)?;
        files::sync(&[&self.staged_filepath])?;
        Ok(infos)
    }
}

/// A piece by itself: what its deal's piece CID is to be compared with.
#[derive(Debug, Serialize, Deserialize)]
pub struct PieceCommitment {
    pub seal_proof_type: RegisteredSealProof,
    #[serde(flatten)]
    pub piece: Piece,
}

impl Task for PieceCommitment {
    const STAGE: &'static str = "piece_commitment";
    type Output = PieceInfo;
}

impl Work for PieceCommitment {
    fn run(self) -> Result<PieceInfo> {
        let sector = PaddedBytesAmount::from(self.seal_proof_type.sector_size());
        let padded = padded_size(&self.piece)?;
        ensure!(padded <= sector.0, "the piece is larger than the sector");
        write(&self.piece, io::sink())
    }
}

fn lay_out(pieces: &[Piece], mut staged: &File, sector: u64) -> Result<Vec<PieceInfo>> {
    let mut end = 0_u64;
    let mut infos = Vec::with_capacity(pieces.len());
    for (index, piece) in pieces.iter().enumerate() {
        let size = padded_size(piece).with_context(|| format!("piece {index}"))?;
        // A piece begins at a multiple of its size; the commitment of the sector reckons with that.
        let start = end.next_multiple_of(size);
        end = start + size;
        ensure!(end <= sector, "piece {index} ends beyond the sector");
        staged.seek(SeekFrom::Start(start))?;
        infos.push(write(piece, staged).with_context(|| format!("piece {index}"))?);
    }
    ensure!(
        end == sector,
        "the pieces fill {end} of the sector's {sector} bytes: the rest must be pledge pieces"
    );
    Ok(infos)
}

fn write(piece: &Piece, target: impl Write) -> Result<PieceInfo> {
    match &piece.piece_file {
        PieceFile::Pledge => zero_padding(piece.piece_size),
        PieceFile::Local(path) => {
            let source = open(path, piece)?;
            let (info, _) = write_and_preprocess(source, target, piece.piece_size)?;
            Ok(info)
        }
        PieceFile::Url(url) => {
            bail!("url pieces are fetched by the worker; give a local file (not {url})")
        }
    }
}

/// The payload and then zeros. A file that is too short is not padded over: it is a download that was cut off.
fn open(path: &Path, piece: &Piece) -> Result<impl Read> {
    let (payload, size) = (piece.payload_size, piece.piece_size.0);
    ensure!(
        payload <= size,
        "payload of {payload} bytes in a piece of {size}"
    );
    let file = File::open(path).with_context(|| path.display().to_string())?;
    let length = file.metadata()?.len();
    ensure!(
        length >= payload,
        "{} has {length} bytes, the payload {payload}",
        path.display()
    );
    Ok(file.take(payload).chain(io::repeat(0).take(size - payload)))
}

fn padded_size(piece: &Piece) -> Result<u64> {
    let unpadded = piece.piece_size;
    let padded = PaddedBytesAmount::from(unpadded);
    ensure!(
        padded.0 >= 128
            && padded.0.is_power_of_two()
            && UnpaddedBytesAmount::from(padded) == unpadded,
        "a piece size is 127/128 of a power of two of at least 128, which {} is not",
        unpadded.0
    );
    Ok(padded.0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use filecoin_proofs_api::seal::compute_comm_d;
    use tempfile::{tempdir, TempDir};

    use super::*;

    const PROOF: RegisteredSealProof = RegisteredSealProof::StackedDrg2KiBV1_1;
    const SECTOR: u64 = 2048;

    struct Bench(TempDir);

    impl Bench {
        fn new() -> Self {
            Self(tempdir().unwrap())
        }

        fn local(&self, content: &[u8], piece_size: u64) -> Piece {
            let path = self.0.path().join(format!("piece-{}", content.len()));
            fs::write(&path, content).unwrap();
            piece(PieceFile::Local(path), content.len() as u64, piece_size)
        }

        fn add(&self, pieces: Vec<Piece>) -> Result<(Vec<PieceInfo>, Vec<u8>)> {
            let staged_filepath = self.0.path().join("unsealed");
            let infos = AddPieces {
                seal_proof_type: PROOF,
                pieces,
                staged_filepath: staged_filepath.clone(),
            }
            .run()?;
            Ok((infos, fs::read(staged_filepath)?))
        }
    }

    fn piece(piece_file: PieceFile, payload_size: u64, piece_size: u64) -> Piece {
        Piece {
            piece_file,
            payload_size,
            piece_size: UnpaddedBytesAmount(piece_size),
        }
    }

    fn pledge(piece_size: u64) -> Piece {
        piece(PieceFile::Pledge, piece_size, piece_size)
    }

    /// The commitment of the staged file itself, which the pieces' must add up to.
    fn comm_d_of(staged: &[u8]) -> [u8; 32] {
        let mut rows: Vec<Vec<u8>> = staged.chunks(32).map(<[u8]>::to_vec).collect();
        while rows.len() > 1 {
            rows = rows
                .chunks(2)
                .map(|pair| {
                    let hash = filecoin_proofs::pieces::piece_hash(&pair[0], &pair[1]);
                    AsRef::<[u8]>::as_ref(&hash).to_vec()
                })
                .collect();
        }
        rows[0].clone().try_into().unwrap()
    }

    #[test]
    fn no_pieces_fill_the_sector_with_zeros() {
        let (infos, staged) = Bench::new().add(vec![]).unwrap();
        assert_eq!(staged, vec![0; SECTOR as usize]);
        assert_eq!(infos.len(), 1);
        assert_eq!(infos[0].size, UnpaddedBytesAmount(2032));
        assert_eq!(infos[0].commitment, comm_d_of(&staged));
    }

    #[test]
    fn a_short_payload_is_filled_up_with_zeros() {
        let bench = Bench::new();
        let (infos, staged) = bench
            .add(vec![bench.local(&[7; 100], 1016), pledge(1016)])
            .unwrap();
        assert_eq!(staged.len() as u64, SECTOR);
        assert_eq!(&staged[..31], &[7; 31]);
        assert!(staged[128..].iter().all(|byte| *byte == 0));
        assert_eq!(compute_comm_d(PROOF, &infos).unwrap(), comm_d_of(&staged));
    }

    #[test]
    fn a_larger_piece_after_a_smaller_one_begins_at_a_multiple_of_its_size() {
        let bench = Bench::new();
        let (infos, staged) = bench
            .add(vec![
                bench.local(&[1; 127], 127),
                bench.local(&[2; 1016], 1016),
            ])
            .unwrap();
        assert_eq!(staged[1023], 0);
        assert_eq!(staged[1024], 2);
        assert_eq!(compute_comm_d(PROOF, &infos).unwrap(), comm_d_of(&staged));
    }

    #[test]
    fn what_was_staged_before_is_gone() {
        let bench = Bench::new();
        bench.add(vec![bench.local(&[9; 2032], 2032)]).unwrap();
        let (_, staged) = bench.add(vec![pledge(2032)]).unwrap();
        assert_eq!(staged, vec![0; SECTOR as usize]);
    }

    #[test]
    fn a_piece_alone_has_the_commitment_it_has_in_the_sector() {
        let bench = Bench::new();
        let (infos, _) = bench.add(vec![bench.local(&[3; 900], 2032)]).unwrap();
        let alone = PieceCommitment {
            seal_proof_type: PROOF,
            piece: bench.local(&[3; 900], 2032),
        };
        assert_eq!(alone.run().unwrap(), infos[0]);
    }

    #[test]
    fn wrong_pieces_are_refused_with_a_reason() {
        let bench = Bench::new();
        let cut_off = Piece {
            payload_size: 101,
            ..bench.local(&[1; 100], 2032)
        };
        let url = piece(PieceFile::Url("http://a/b".into()), 1, 2032);
        for (pieces, reason) in [
            (vec![cut_off], "has 100 bytes, the payload 101"),
            (vec![url], "url pieces are fetched by the worker"),
            (vec![pledge(1016)], "fill 1024 of the sector's 2048 bytes"),
            (
                vec![pledge(2032), pledge(127)],
                "piece 1 ends beyond the sector",
            ),
            (vec![pledge(1000)], "which 1000 is not"),
            (
                vec![bench.local(&[1; 128], 127)],
                "payload of 128 bytes in a piece of 127",
            ),
        ] {
            let error = bench.add(pieces).unwrap_err();
            assert!(format!("{error:#}").contains(reason), "{error:#}");
        }
    }

    #[test]
    fn the_wire_form_is_damocles() {
        let task: AddPieces = serde_json::from_str(
            r#"{"seal_proof_type": "StackedDrg2KiBV1_1", "staged_filepath": "/s", "pieces": [
                {"piece_file": "pledge", "payload_size": 0, "piece_size": 127},
                {"piece_file": {"local": "/p"}, "payload_size": 1, "piece_size": 127},
                {"piece_file": {"url": "http://a"}, "payload_size": 1, "piece_size": 127}]}"#,
        )
        .unwrap();
        assert_eq!(task.pieces.len(), 3);
    }
}
