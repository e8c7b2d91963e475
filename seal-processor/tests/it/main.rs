//! Tests of the program as a whole, in one binary: it links the proofs, which takes a while.

mod producer;
mod protocol;
mod sealing;
mod sector;
