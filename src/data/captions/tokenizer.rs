//! Captions as numbers.

use super::super::error::{Error, Result};

use super::scene::{Background, Color, Relation, Shape, Size};
use super::words::{FUNCTION_WORDS, Named, listed};
use tch::{Kind, Tensor};
use tokenizers::models::wordlevel::WordLevel;
use tokenizers::normalizers::utils::Lowercase;
use tokenizers::pre_tokenizers::punctuation::Punctuation;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::whitespace::WhitespaceSplit;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{
    Model, Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer,
    SplitDelimiterBehavior, TokenizerBuilder, TokenizerImpl,
};

/// One token a word (`tokenizers`' `WordLevel`), in lower case, without punctuation.
///
/// Networks are trained on its numbers, so a word keeps its number: new words come last.
#[derive(Debug)]
pub struct Tokenizer {
    words: TokenizerImpl<WordLevel, Lowercase, Sequence, TemplateProcessing, NoDecoder>,
}

/// [`Tokenizer::decode`] joins words itself.
type NoDecoder = tokenizers::DecoderWrapper;

impl Tokenizer {
    /// Fills what follows the end.
    pub const PAD: i64 = 0;
    /// Ends every caption; the empty one is nothing else.
    pub const END: i64 = 1;
    /// How many tokens there are, [`Tokenizer::PAD`] and [`Tokenizer::END`] among them.
    pub const VOCABULARY: i64 = 43;
    /// Tokens of the longest caption, its end included.
    pub const LENGTH: i64 = 24;

    pub fn new() -> Self {
        let numbers = vocabulary().into_iter().zip(0..).map(|(word, number)| (word.into(), number));
        let model = WordLevel::builder().vocab(numbers.collect()).build();
        let ended = TemplateProcessing::builder()
            .try_single("$0 [END]")
            .expect("a template")
            .special_tokens(vec![("[END]", Self::END as u32)])
            .build();
        let words = TokenizerBuilder::new()
            .with_model(model.expect("a vocabulary without files"))
            .with_normalizer(Some(Lowercase))
            .with_pre_tokenizer(Some(pre_tokenizer()))
            .with_post_processor(Some(ended.expect("a special token")))
            .build();
        Self { words: words.expect("a model") }
    }

    /// `[B, LENGTH]`, i64: the words of each caption, [`Tokenizer::END`], and [`Tokenizer::PAD`].
    ///
    /// # Errors
    /// A word that no caption has, with the words that might be meant, or a caption that is too
    /// long.
    pub fn encode(&self, captions: &[impl AsRef<str>]) -> Result<Tensor> {
        let rows: Vec<Vec<i64>> =
            captions.iter().map(|caption| self.row(caption.as_ref())).collect::<Result<_>>()?;
        Ok(Tensor::from_slice(&rows.concat()).view([rows.len() as i64, Self::LENGTH]))
    }

    fn row(&self, caption: &str) -> Result<Vec<i64>> {
        let unread = |why| Error::Caption { caption: caption.into(), why };
        let words = words(caption);
        let unknown = words.iter().position(|it| self.words.get_model().token_to_id(it).is_none());
        if let Some(at) = unknown {
            let instead = instead(&words, at);
            return Err(unread(format!("{:?} is no word of captions; write {instead}", words[at])));
        }
        let longest = Self::LENGTH as usize - 1;
        if words.len() > longest {
            return Err(unread(format!("it has {} words, of at most {longest}", words.len())));
        }
        let encoded = self.words.encode_fast(caption, true).expect("every word is known");
        let mut row: Vec<i64> = encoded.get_ids().iter().map(|&number| number.into()).collect();
        row.resize(Self::LENGTH as usize, Self::PAD);
        Ok(row)
    }

    /// The captions of `tokens: [B, L]`, up to their ends.
    ///
    /// # Panics
    /// On a number that no word has.
    pub fn decode(&self, tokens: &Tensor) -> Vec<String> {
        let (_, length) = tokens.size2().expect("tokens are [B, L]");
        let tokens = tokens.to_kind(Kind::Int64).flatten(0, -1);
        let all: Vec<i64> = Vec::try_from(tokens).expect("numbers");
        let word = |number: &i64| {
            let word = u32::try_from(*number).ok().and_then(|it| self.words.id_to_token(it));
            word.unwrap_or_else(|| panic!("no word has the number {number}"))
        };
        let row = |row: &[i64]| {
            let words = row.iter().take_while(|&&number| number != Self::END).map(word);
            words.collect::<Vec<_>>().join(" ")
        };
        all.chunks(length as usize).map(row).collect()
    }
}

impl Default for Tokenizer {
    fn default() -> Self {
        Self::new()
    }
}

fn pre_tokenizer() -> Sequence {
    let punctuation = Punctuation::new(SplitDelimiterBehavior::Removed);
    Sequence::new(vec![punctuation.into(), WhitespaceSplit.into()])
}

/// The words of a caption, in lower case, without punctuation.
pub(super) fn words(caption: &str) -> Vec<String> {
    let mut text = PreTokenizedString::from(caption);
    let split = text
        .normalize(|text| Lowercase.normalize(text))
        .and_then(|()| pre_tokenizer().pre_tokenize(&mut text));
    split.expect("any text can be split");
    let words = text.get_splits(OffsetReferential::Normalized, OffsetType::Byte);
    words.into_iter().map(|(word, ..)| word.to_owned()).collect()
}

/// The special tokens, then all words of captions, each once, in a fixed order.
fn vocabulary() -> Vec<&'static str> {
    let mut vocabulary = vec!["[PAD]", "[END]"];
    let kinds = [said::<Shape>(), said::<Color>(), said::<Size>(), said::<Background>()];
    for word in kinds.concat().into_iter().chain(said::<Relation>()).chain(FUNCTION_WORDS) {
        if !vocabulary.contains(&word) {
            vocabulary.push(word);
        }
    }
    vocabulary
}

/// The words of all phrases of a kind.
fn said<T: Named>() -> Vec<&'static str> {
    T::ALL.iter().flat_map(|it| it.words()).flat_map(|phrase| phrase.split(' ')).collect()
}

/// What may stand in place of the word at `at`, by its neighbours.
fn instead(words: &[String], at: usize) -> String {
    let is = |word: Option<&String>, known: Vec<&str>| {
        word.is_some_and(|word| known.contains(&word.as_str()))
    };
    let (before, after) = (at.checked_sub(1).map(|before| &words[before]), words.get(at + 1));
    if is(before, said::<Color>()) {
        listed::<Shape>()
    } else if is(after, said::<Shape>()) {
        listed::<Color>()
    } else if is(after, said::<Color>()) {
        listed::<Size>()
    } else if is(after, vec!["background"]) {
        listed::<Background>()
    } else {
        let [shapes, colors, sizes, backgrounds, relations] = [
            listed::<Shape>(),
            listed::<Color>(),
            listed::<Size>(),
            listed::<Background>(),
            listed::<Relation>(),
        ];
        format!("{shapes}; {colors}; {sizes}; {backgrounds}; or {relations}")
    }
}
