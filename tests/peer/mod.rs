//! Networks of other programs: their numbers, their names, and what is refused.

mod accounts;
mod files;
mod legacy;
mod numbers;
mod tiles;
mod training;
mod weights;
