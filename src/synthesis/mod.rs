//! Schedules, samplers, control, in- and outpainting: a request becomes an outcome. Owns no weights.
