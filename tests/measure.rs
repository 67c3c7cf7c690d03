//! Measurements against closed forms.
