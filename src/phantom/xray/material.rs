//! Attenuation of tissues and the beams that see it.
//!
//! Coefficients: xraylib-class Elam tables with ICRU-44 compositions; effective energies are fits to detector-weighted
//! tube spectra. Separate because every kind of film uses the same numbers.

/// What a ray passes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Material {
    /// Muscle, 1.05 g/cm³.
    Soft,
    /// Fat, 0.95 g/cm³.
    Adipose,
    /// Inflated lung, 0.26 g/cm³.
    Lung,
    /// Blood, 1.06 g/cm³.
    Blood,
    /// Cartilage, 1.10 g/cm³.
    Cartilage,
    /// Cancellous bone, 1.18 g/cm³.
    Cancellous,
    /// Cortical bone, 1.92 g/cm³.
    Cortical,
    /// Dentin, 2.10 g/cm³.
    Dentin,
    /// Enamel, 2.90 g/cm³.
    Enamel,
    /// Hydroxyapatite, 3.06 g/cm³.
    Calcification,
    /// Glandular breast, 1.04 g/cm³.
    Glandular,
    /// Fatty breast, 0.93 g/cm³.
    BreastAdipose,
    /// Skin, 1.09 g/cm³.
    Skin,
    /// PVC tubing, 1.35 g/cm³.
    Pvc,
    /// Titanium.
    Titanium,
    /// Steel.
    Steel,
    /// Lead.
    Lead,
}

/// Energies of the table, keV.
const ENERGIES: [f64; 12] = [
    16.0, 18.0, 20.0, 25.0, 30.0, 35.0, 40.0, 45.0, 50.0, 60.0, 70.0, 80.0,
];

/// Linear attenuation, 1/cm, rows in the order of [`Material`].
#[rustfmt::skip]
const ATTENUATION: [[f64; 12]; 17] = [
    [1.497, 1.109, 0.862, 0.539, 0.397, 0.324, 0.282, 0.255, 0.238, 0.215, 0.201, 0.191],
    [0.879, 0.671, 0.539, 0.368, 0.291, 0.251, 0.228, 0.212, 0.202, 0.188, 0.178, 0.171],
    [0.377, 0.279, 0.216, 0.135, 0.099, 0.081, 0.070, 0.064, 0.059, 0.053, 0.050, 0.047],
    [1.557, 1.151, 0.894, 0.557, 0.408, 0.332, 0.288, 0.260, 0.241, 0.218, 0.204, 0.194],
    [1.845, 1.355, 1.043, 0.636, 0.456, 0.364, 0.311, 0.279, 0.256, 0.229, 0.213, 0.202],
    [3.802, 2.756, 2.081, 1.184, 0.783, 0.576, 0.458, 0.385, 0.337, 0.281, 0.250, 0.230],
    [14.44, 10.34, 7.682, 4.144, 2.556, 1.740, 1.278, 0.996, 0.815, 0.604, 0.494, 0.428],
    [18.08, 12.93, 9.598, 5.151, 3.154, 2.129, 1.548, 1.195, 0.967, 0.704, 0.566, 0.485],
    [34.73, 24.79, 18.35, 9.751, 5.888, 3.904, 2.782, 2.100, 1.661, 1.158, 0.895, 0.744],
    [38.0, 27.1, 20.1, 10.65, 6.423, 4.250, 3.022, 2.275, 1.795, 1.244, 0.958, 0.792],
    [1.344, 1.000, 0.781, 0.497, 0.372, 0.308, 0.270, 0.247, 0.231, 0.210, 0.198, 0.188],
    [0.824, 0.632, 0.510, 0.350, 0.279, 0.242, 0.220, 0.206, 0.196, 0.183, 0.174, 0.167],
    [1.443, 1.073, 0.837, 0.531, 0.395, 0.326, 0.285, 0.260, 0.243, 0.221, 0.207, 0.197],
    [11.7, 8.35, 6.18, 3.30, 2.01, 1.36, 0.985, 0.760, 0.615, 0.449, 0.361, 0.310],
    [135.0, 97.0, 71.0, 37.8, 22.4, 14.5, 10.0, 7.24, 5.47, 3.46, 2.42, 1.83],
    [373.0, 269.0, 201.0, 107.0, 63.9, 41.3, 28.4, 20.4, 15.3, 9.42, 6.39, 4.66],
    [1717.0, 1277.0, 979.0, 550.0, 344.0, 230.0, 163.0, 120.0, 91.0, 57.0, 38.0, 27.0],
];

impl Material {
    /// Number of materials.
    pub const COUNT: usize = 17;

    /// Linear attenuation in 1/cm at an energy in keV: log-log interpolation, extrapolated at the ends.
    pub fn attenuation(self, kev: f64) -> f64 {
        let row = &ATTENUATION[self as usize];
        let after = ENERGIES
            .iter()
            .position(|&e| e >= kev)
            .unwrap_or(ENERGIES.len() - 1)
            .max(1);
        let (e0, e1) = (ENERGIES[after - 1].ln(), ENERGIES[after].ln());
        let (m0, m1) = (row[after - 1].ln(), row[after].ln());
        (m0 + (m1 - m0) * (kev.ln() - e0) / (e1 - e0)).exp()
    }
}

/// A tube voltage and filter with the tissue it is fitted behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Technique {
    /// 40 kVp, extremity, 4 cm.
    Kvp40,
    /// 50 kVp, small dog, 6 cm.
    Kvp50,
    /// 60 kVp, dog hip, 10 cm.
    Kvp60,
    /// 70 kVp, large dog, 15 cm.
    Kvp70,
    /// 90 kVp, bedside chest.
    Kvp90,
    /// 125 kVp + 0.1 mm Cu, PA chest.
    Kvp125,
    /// 70 kVp panoramic.
    Panoramic70,
    /// 28 kV Mo/Mo mammography.
    MoMo28,
    /// 28 kV W/Rh mammography.
    WRh28,
}

/// A beam as a few energies with detector-weighted fractions that sum to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrum {
    /// `(keV, fraction)`.
    pub bins: Vec<(f64, f64)>,
}

impl Technique {
    /// Two energies: enough for training images.
    pub fn two_bins(self) -> Spectrum {
        Spectrum::normalized(&match self {
            Self::Kvp40 => [(27.0, 0.68), (36.1, 0.32)],
            Self::Kvp50 => [(29.8, 0.60), (42.6, 0.40)],
            Self::Kvp60 => [(31.8, 0.55), (48.3, 0.45)],
            Self::Kvp70 => [(33.3, 0.52), (53.3, 0.48)],
            Self::Kvp90 => [(35.8, 0.46), (61.5, 0.54)],
            Self::Kvp125 => [(43.7, 0.47), (75.9, 0.53)],
            Self::Panoramic70 => [(33.0, 0.53), (53.1, 0.47)],
            Self::MoMo28 => [(16.6, 0.86), (22.7, 0.14)],
            Self::WRh28 => [(17.2, 0.58), (22.1, 0.43)],
        })
    }

    /// Three energies: exact in practice.
    pub fn three_bins(self) -> Spectrum {
        Spectrum::normalized(&match self {
            Self::Kvp40 => [(23.2, 0.34), (30.8, 0.45), (37.0, 0.21)],
            Self::Kvp50 => [(24.5, 0.26), (34.6, 0.48), (44.2, 0.26)],
            Self::Kvp60 => [(25.5, 0.22), (37.5, 0.48), (50.7, 0.30)],
            Self::Kvp70 => [(26.5, 0.20), (39.9, 0.49), (56.7, 0.32)],
            Self::Kvp90 => [(28.6, 0.18), (44.6, 0.49), (67.4, 0.34)],
            Self::Kvp125 => [(34.0, 0.13), (53.6, 0.56), (86.3, 0.30)],
            Self::Panoramic70 => [(26.1, 0.20), (39.6, 0.48), (56.6, 0.32)],
            Self::MoMo28 => [(13.4, 0.30), (18.0, 0.62), (24.2, 0.07)],
            Self::WRh28 => [(14.6, 0.21), (19.1, 0.55), (23.0, 0.24)],
        })
    }
}

impl Spectrum {
    fn normalized(bins: &[(f64, f64)]) -> Self {
        let sum: f64 = bins.iter().map(|b| b.1).sum();
        Self {
            bins: bins.iter().map(|&(e, w)| (e, w / sum)).collect(),
        }
    }

    /// `p = -ln Σ w exp(-Σ µ t)` for lengths in cm.
    pub fn attenuation(&self, lengths_cm: &[(Material, f64)]) -> f64 {
        let transmission: f64 = self
            .bins
            .iter()
            .map(|&(kev, w)| {
                let sum: f64 = lengths_cm
                    .iter()
                    .map(|&(m, t)| m.attenuation(kev) * t)
                    .sum();
                w * (-sum).exp()
            })
            .sum();
        -transmission.max(1e-12).ln()
    }
}
