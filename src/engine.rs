//! The real engine: hands each order to synthesis, the measuring networks, training or study.
