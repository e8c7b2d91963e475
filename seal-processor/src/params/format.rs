//! What the layout of a Groth16 parameter file tells without reading all of its gigabytes.
//!
//! A parameter file is its verifying key, and then five lists of points, each led by its length:
//!
//! ```text
//! alpha, beta (G1, G2), gamma (G2), delta (G1, G2) | ic: [G1] | h: [G1] l: [G1] a: [G1] b: [G1] b: [G2]
//! ```

use std::fs::File;
use std::io::Result;
use std::os::unix::fs::FileExt;
use std::path::Path;

const G1: u64 = 96;
const G2: u64 = 192;
const COUNT: u64 = 4;
const KEY_HEAD: u64 = 3 * G1 + 3 * G2;

/// The verifying key that a parameter file begins with, or none when the file is shorter or longer than its own
/// lists say: what a writer that was killed leaves behind.
pub fn verifying_key(params: &Path) -> Result<Option<Vec<u8>>> {
    let file = File::open(params)?;
    let length = file.metadata()?.len();
    if expected_length(&file, length)? != Some(length) {
        return Ok(None);
    }
    let Some(end) = list_end(&file, KEY_HEAD, G1, length)? else {
        return Ok(None);
    };
    let mut key = vec![0; end as usize];
    file.read_exact_at(&mut key, 0)?;
    Ok(Some(key))
}

fn expected_length(file: &File, length: u64) -> Result<Option<u64>> {
    let mut end = KEY_HEAD;
    for point in [G1, G1, G1, G1, G1, G2] {
        match list_end(file, end, point, length)? {
            Some(next) => end = next,
            None => return Ok(None),
        }
    }
    Ok(Some(end))
}

/// Where the list that starts at `start` ends; none when that is beyond the end of the file.
fn list_end(file: &File, start: u64, point: u64, length: u64) -> Result<Option<u64>> {
    if start + COUNT > length {
        return Ok(None);
    }
    let mut count = [0; COUNT as usize];
    file.read_exact_at(&mut count, start)?;
    let end = start + COUNT + u64::from(u32::from_be_bytes(count)) * point;
    Ok((end <= length).then_some(end))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::tempdir;

    use super::*;

    /// A key with two points, and then the five lists with one point each.
    fn file_of_parameters() -> (Vec<u8>, usize) {
        let mut bytes = vec![1; KEY_HEAD as usize];
        for (count, point) in [(2, G1), (1, G1), (1, G1), (1, G1), (1, G1), (1, G2)] {
            bytes.extend(u32::to_be_bytes(count));
            bytes.extend(vec![2; (u64::from(count) * point) as usize]);
        }
        (bytes, (KEY_HEAD + COUNT + 2 * G1) as usize)
    }

    fn key_of(bytes: &[u8]) -> Option<Vec<u8>> {
        let folder = tempdir().unwrap();
        let path = folder.path().join("params");
        fs::write(&path, bytes).unwrap();
        verifying_key(&path).unwrap()
    }

    #[test]
    fn a_whole_file_begins_with_its_key() {
        let (bytes, key) = file_of_parameters();
        assert_eq!(key_of(&bytes).as_deref(), Some(&bytes[..key]));
    }

    #[test]
    fn a_file_cut_off_anywhere_has_none() {
        let (bytes, _) = file_of_parameters();
        for length in 0..bytes.len() {
            assert_eq!(key_of(&bytes[..length]), None, "{length}");
        }
    }

    #[test]
    fn a_file_with_more_at_its_end_has_none() {
        let (mut bytes, _) = file_of_parameters();
        bytes.push(0);
        assert_eq!(key_of(&bytes), None);
    }
}
