//! CLIP's tokenizer out of a model folder: text to the numbers that the text encoder reads.
//!
//! Separate from the encoder because its rules are those of another library, which it is built on: `vocab.json` and
//! `merges.txt` are put into that library's own form with CLIP's normalisation and splitting (Radford et al. 2021).

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use tokenizers::Tokenizer;

use super::files::{read_json, read_text};
use crate::network::folder::ModelError;

/// What separates words: contractions, letters, single digits, everything else.
const WORDS: &str =
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";

/// The longest prompt, bytes; far beyond what any text encoder reads.
const LONGEST: usize = 100_000;

/// A tokenizer with its special tokens.
#[derive(Clone, Debug)]
pub struct ClipTokenizer {
    tokenizer: Tokenizer,
    begin: u32,
    end: u32,
    pad: u32,
    length: usize,
    largest: u32,
}

impl ClipTokenizer {
    /// Reads the `tokenizer` folder: `vocab.json` and `merges.txt`, or `tokenizer.json` where those are not there.
    ///
    /// An error for files that are missing or damaged, and for tokenizers of other text encoders.
    pub fn open(folder: &Path) -> Result<Self, ModelError> {
        let config_path = folder.join("tokenizer_config.json");
        let config = if config_path.is_file() {
            read_json(&config_path)?
        } else {
            Value::Null
        };
        let class = config["tokenizer_class"]
            .as_str()
            .unwrap_or("CLIPTokenizer");
        if !matches!(class, "CLIPTokenizer" | "CLIPTokenizerFast") {
            return Err(ModelError::Configuration {
                path: config_path,
                what: format!("{class} is not supported, only CLIPTokenizer"),
            });
        }
        let (path, vocabulary, merges) = words(folder)?;
        let wrong = |what: String| ModelError::Configuration {
            path: path.clone(),
            what,
        };
        let special = |name: &str, usual: &str| {
            let value = &config[name];
            let text = value.as_str().or_else(|| value["content"].as_str());
            text.unwrap_or(usual).to_owned()
        };
        let end = special("eos_token", "<|endoftext|>");
        let names = [
            special("bos_token", "<|startoftext|>"),
            end.clone(),
            special("pad_token", &end),
            special("unk_token", &end),
        ];
        let number = |name: &str| {
            let number = vocabulary.get(name).and_then(Value::as_u64);
            number
                .and_then(|n| u32::try_from(n).ok())
                .ok_or_else(|| wrong(format!("{name} is no word of it: it is not CLIP's")))
        };
        let numbers: Vec<u32> = names.iter().map(|n| number(n)).collect::<Result<_, _>>()?;
        let largest = vocabulary.values().filter_map(Value::as_u64).max();
        let added: Vec<Value> = names
            .iter()
            .zip(&numbers)
            .enumerate()
            .filter(|(i, (name, _))| !names[..*i].contains(name))
            .map(|(_, (name, number))| {
                json!({"id": number, "content": name, "single_word": false, "lstrip": false,
                    "rstrip": false, "normalized": false, "special": true})
            })
            .collect();
        let whole = library_form(&vocabulary, &merges, &added, &names[3]);
        let tokenizer =
            Tokenizer::from_bytes(whole.to_string()).map_err(|error| wrong(error.to_string()))?;
        let length = config["model_max_length"].as_u64().unwrap_or(77);
        Ok(Self {
            tokenizer,
            begin: numbers[0],
            end: numbers[1],
            pad: numbers[2],
            length: usize::try_from(length).unwrap_or(77).clamp(2, 1024),
            largest: u32::try_from(largest.unwrap_or(0)).unwrap_or(u32::MAX),
        })
    }

    /// Numbers of one text: begin, words, end, filled up to the length of the model or cut off there.
    ///
    /// An error for texts of more than 100 000 bytes.
    pub fn numbers(&self, text: &str) -> Result<Vec<u32>, String> {
        if text.len() > LONGEST {
            return Err(format!(
                "the prompt has {} bytes, at most {LONGEST} are read",
                text.len()
            ));
        }
        let words = self
            .tokenizer
            .encode_fast(text, false)
            .map_err(|error| error.to_string())?;
        let room = self.length - 2;
        let mut numbers = vec![self.begin];
        numbers.extend(words.get_ids().iter().take(room));
        numbers.push(self.end);
        numbers.resize(self.length, self.pad);
        Ok(numbers)
    }

    /// The end of a text that the model does not read, because there is no room for it.
    pub fn left_out<'t>(&self, text: &'t str) -> Option<&'t str> {
        let words = self.tokenizer.encode(text, false).ok()?;
        let (start, _) = *words.get_offsets().get(self.length - 2)?;
        text.get(start..)
            .map(str::trim)
            .filter(|rest| !rest.is_empty())
    }

    /// How many numbers a text becomes.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The largest number there is.
    pub fn largest(&self) -> u32 {
        self.largest
    }
}

/// A vocabulary with CLIP's rules in the form that the library reads.
fn library_form(
    vocabulary: &Map<String, Value>,
    merges: &[Value],
    added: &[Value],
    unknown: &str,
) -> Value {
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "NFC"},
            {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
            {"type": "Lowercase"},
        ]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": WORDS}, "behavior": "Removed", "invert": true},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        ]},
        "post_processor": null,
        "decoder": null,
        "model": {"type": "BPE", "dropout": null, "unk_token": unknown, "continuing_subword_prefix": "",
            "end_of_word_suffix": "</w>", "fuse_unk": false, "byte_fallback": false,
            "vocab": vocabulary, "merges": merges},
    })
}

/// A file with its vocabulary and its merges, as pairs.
type Words = (PathBuf, Map<String, Value>, Vec<Value>);

/// The vocabulary and the merges, as pairs, with the file they are in.
fn words(folder: &Path) -> Result<Words, ModelError> {
    let path = folder.join("vocab.json");
    let whole = folder.join("tokenizer.json");
    if path.is_file() || !whole.is_file() {
        let Value::Object(vocabulary) = read_json(&path)? else {
            return Err(ModelError::Configuration {
                path,
                what: "it is no table of words".to_owned(),
            });
        };
        let merges_path = folder.join("merges.txt");
        let text = read_text(&merges_path)?;
        let mut merges = Vec::new();
        for (number, line) in text.lines().enumerate() {
            if line.starts_with("#version") || line.trim().is_empty() {
                continue;
            }
            let Some((a, b)) = line.split_once(' ') else {
                return Err(ModelError::Configuration {
                    path: merges_path,
                    what: format!("line {} is no pair of words", number + 1),
                });
            };
            merges.push(json!([a, b]));
        }
        return Ok((path, vocabulary, merges));
    }
    let value = read_json(&whole)?;
    let (Value::Object(vocabulary), Value::Array(merges)) =
        (&value["model"]["vocab"], &value["model"]["merges"])
    else {
        return Err(ModelError::Configuration {
            path: whole,
            what: "it holds no byte pair model".to_owned(),
        });
    };
    let merges = merges
        .iter()
        .map(|pair| match pair.as_str().and_then(|p| p.split_once(' ')) {
            Some((a, b)) => json!([a, b]),
            None => pair.clone(),
        })
        .collect();
    Ok((whole, vocabulary.clone(), merges))
}
