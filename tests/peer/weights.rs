//! Weights and inputs made of names and numbers, as `tests/fixtures/peer/weights.py` makes them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use candle_core::{DType, Device, Result, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use radcanvas::network::speed::values;
use serde_json::Value;

/// FNV-1a, 64 bits.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn weight(name: &str, dims: &[usize], equalized: bool, gain: f64) -> Vec<f32> {
    let mut v = values(dims.iter().product(), fnv(name) % (1 << 32));
    let (shift, scale) = if name.ends_with("running_var") {
        (1.0, 0.3)
    } else if name.ends_with("running_mean") {
        (0.0, 0.1)
    } else if dims.len() <= 1 {
        if name.ends_with("weight") || name.ends_with("affine.bias") {
            (1.0, 0.2)
        } else {
            (0.0, 0.1)
        }
    } else if equalized {
        (0.0, 3_f64.sqrt())
    } else {
        let fan_in: usize = dims[1..].iter().product();
        let size = if dims.len() == 4 {
            6.0 * gain * gain
        } else {
            3.0
        };
        (0.0, (size / fan_in as f64).sqrt())
    };
    for value in &mut v {
        *value = shift + scale as f32 * *value;
    }
    v
}

/// Gives any tensor that is asked for, and remembers its name and shape.
#[derive(Clone, Default)]
pub(super) struct Made {
    equalized: bool,
    gain: f64,
    asked: Arc<Mutex<BTreeMap<String, Vec<usize>>>>,
}

impl Made {
    pub(super) fn new(equalized: bool, gain: f64) -> Self {
        Self {
            equalized,
            gain,
            asked: Arc::default(),
        }
    }

    pub(super) fn builder(&self) -> VarBuilder<'static> {
        self.builder_of(DType::F32)
    }

    /// The same values in another type.
    pub(super) fn builder_of(&self, dtype: DType) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self.clone()), dtype, Device::Cpu)
    }

    /// Names and shapes.
    pub(super) fn asked(&self) -> BTreeMap<String, Vec<usize>> {
        self.asked.lock().unwrap().clone()
    }

    /// One number for all names and shapes.
    pub(super) fn digest(&self) -> String {
        let asked = self.asked.lock().unwrap();
        let lines: Vec<String> = asked
            .iter()
            .map(|(name, shape)| format!("{name} {shape:?}\n"))
            .collect();
        let mut sorted = lines;
        sorted.sort();
        format!("{:016x}", fnv(&sorted.concat()))
    }
}

impl SimpleBackend for Made {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: Init,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        let dims = shape.dims().to_vec();
        let tensor = Tensor::from_vec(
            weight(name, &dims, self.equalized, self.gain),
            shape,
            device,
        );
        self.asked.lock().unwrap().insert(name.to_owned(), dims);
        tensor?.to_dtype(dtype)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        candle_core::bail!("{name} was asked for without a shape")
    }

    fn contains_tensor(&self, _: &str) -> bool {
        false
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        value => vec![value.as_f64().unwrap()],
    }
}

/// An input as the fixture describes it.
pub(super) fn input(spec: &Value) -> Result<Tensor> {
    if let Some(list) = spec.get("list") {
        let all = numbers(list);
        let shape = if list.is_array() {
            vec![all.len()]
        } else {
            vec![]
        };
        let tensor = Tensor::from_vec(all, shape, &Device::Cpu)?;
        let whole = spec.get("type").and_then(Value::as_str) == Some("int64");
        return tensor.to_dtype(if whole { DType::I64 } else { DType::F32 });
    }
    let shape: Vec<usize> = numbers(&spec["shape"])
        .iter()
        .map(|&n| n as usize)
        .collect();
    let count = shape.iter().product();
    let kind = spec
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or("uniform");
    if kind == "box" {
        let edges: Vec<usize> = numbers(&spec["box"]).iter().map(|&n| n as usize).collect();
        let (rows, columns) = (shape[2], shape[3]);
        let mask: Vec<f32> = (0..count)
            .map(|i| {
                let (y, x) = (i / columns % rows, i % columns);
                let inside = (edges[0]..edges[1]).contains(&y) && (edges[2]..edges[3]).contains(&x);
                f32::from(u8::from(!inside))
            })
            .collect();
        return Tensor::from_vec(mask, shape, &Device::Cpu);
    }
    let seed = spec["seed"].as_u64().unwrap();
    if let Some(side) = spec.get("blocks").and_then(Value::as_u64) {
        let side = side as usize;
        let (rows, columns) = (shape[2] / side, shape[3] / side);
        let small = values(shape[0] * shape[1] * rows * columns, seed);
        return Tensor::from_vec(
            small,
            (shape[0] * shape[1], rows, 1, columns, 1),
            &Device::Cpu,
        )?
        .broadcast_as((shape[0] * shape[1], rows, side, columns, side))?
        .reshape(shape);
    }
    let mut v = values(count, seed);
    match kind {
        "uniform" => {}
        "unit" => v.iter_mut().for_each(|v| *v = f32::midpoint(*v, 1.0)),
        "bits" => v
            .iter_mut()
            .for_each(|v| *v = f32::from(u8::from(*v > 0.0))),
        "tokens" => {
            let below = spec["below"].as_f64().unwrap();
            let tokens: Vec<i64> = v
                .iter()
                .map(|&v| (f64::midpoint(f64::from(v), 1.0) * below) as i64)
                .collect();
            return Tensor::from_vec(tokens, shape, &Device::Cpu);
        }
        other => panic!("{other}"),
    }
    Tensor::from_vec(v, shape, &Device::Cpu)
}
