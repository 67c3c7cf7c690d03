//! Cases with age, sex and labels; manifests, groups and splits. Pure data.
