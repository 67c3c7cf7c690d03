//! Networks of other programs: their numbers, their names, and what is refused.

mod files;
mod legacy;
mod numbers;
mod training;
mod weights;
