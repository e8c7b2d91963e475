//! The binary tree over the unsealed data.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use filecoin_proofs::constants::DefaultPieceHasher;
use filecoin_proofs::StoreConfig;
use filecoin_proofs_api::{PaddedBytesAmount, RegisteredSealProof, NODE_SIZE};
use memmap2::Mmap;
use serde::{Deserialize, Serialize};
use storage_proofs_core::cache_key::CacheKey;
use storage_proofs_core::merkle::{create_base_merkle_tree, BinaryMerkleTree};
use vc_processors::core::Task;

use super::Work;
use crate::files;

#[derive(Debug, Serialize, Deserialize)]
pub struct TreeD {
    pub registered_proof: RegisteredSealProof,
    pub staged_file: PathBuf,
    pub cache_dir: PathBuf,
}

impl Task for TreeD {
    const STAGE: &'static str = "tree_d";
    type Output = bool;
}

impl Work for TreeD {
    /// Builds the tree in a folder of its own and moves it into place: PC1 takes a tree that it finds, of the right
    /// length from its first moment on, for a whole one.
    fn run(self) -> Result<bool> {
        let building = self.cache_dir.join(".building-tree-d");
        remove_folder(&building)?;
        files::create_folder(&building)?;
        let nodes =
            PaddedBytesAmount::from(self.registered_proof.sector_size()).0 as usize / NODE_SIZE;
        build(&self.staged_file, &building, nodes)?;
        files::move_into_place(&tree_in(&building), &tree_in(&self.cache_dir))?;
        remove_folder(&building)?;
        Ok(true)
    }
}

fn build(staged: &Path, folder: &Path, nodes: usize) -> Result<()> {
    let file = File::open(staged).with_context(|| staged.display().to_string())?;
    // SAFETY: the file is this sector's alone, and the worker lets no second job at it while this one runs.
    let data = unsafe { Mmap::map(&file) }.with_context(|| staged.display().to_string())?;
    let config = StoreConfig::new(folder, CacheKey::CommDTree.to_string(), 0);
    create_base_merkle_tree::<BinaryMerkleTree<DefaultPieceHasher>>(Some(config), nodes, &data)?;
    Ok(())
}

fn tree_in(folder: &Path) -> PathBuf {
    StoreConfig::data_path(folder, &CacheKey::CommDTree.to_string())
}

fn remove_folder(path: &Path) -> Result<()> {
    if path.exists() {
        fs::remove_dir_all(path).with_context(|| format!("remove {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;

    #[test]
    fn the_tree_of_a_run_that_died_is_replaced() {
        let folder = tempdir().unwrap();
        let (staged, cache) = (folder.path().join("unsealed"), folder.path().join("cache"));
        fs::write(&staged, [0; 2048]).unwrap();
        fs::create_dir_all(cache.join(".building-tree-d")).unwrap();
        fs::write(tree_in(&cache.join(".building-tree-d")), [1; 4064]).unwrap();
        let task = TreeD {
            registered_proof: RegisteredSealProof::StackedDrg2KiBV1_1,
            staged_file: staged,
            cache_dir: cache.clone(),
        };
        assert!(task.run().unwrap());
        let tree = fs::read(tree_in(&cache)).unwrap();
        assert_eq!(tree.len(), 127 * NODE_SIZE);
        assert_eq!(&tree[..64 * NODE_SIZE], &[0; 2048]);
        assert_eq!(fs::read_dir(&cache).unwrap().count(), 1);
    }
}
