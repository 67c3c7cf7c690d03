//! Classifiers of dense convolutions: `AlexNet`, VGG, `SqueezeNet`, `ResNet`, `DenseNet`, `GoogLeNet`, Inception.

pub mod alexnet;
pub mod densenet;
pub mod googlenet;
pub mod inception;
mod mixed;
pub mod resnet;
pub mod squeezenet;
pub mod vgg;
