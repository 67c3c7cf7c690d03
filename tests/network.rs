//! Networks and their operations.
