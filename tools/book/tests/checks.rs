//! Each check on a small book that is right but for one thing.

use from_noise_book::build;
use std::fs;
use std::path::Path;

const SUMMARY: &str = "# Summary\n\n- [One](one.md)\n- [Two](two.md)\n";

const ONE: &str = r"# One

A formula $x_t = \half$, and one for itself:

$$ \frac{1}{2} $$

```rust
{{#include ../../src/code.rs:here}}
```

{{#figure results/a/plot.png
alt: a dot
caption: One dot, at $x$.
}}

{{#table results/a/numbers.csv
columns: name | value as $v$ .2
rows: name = b / c
caption: Two numbers.
}}

The value of b is {{#value results/a/numbers.csv name = b; value .1e}}, see [there](two.md#a-heading) and {{#fact the_answer}}.

1. A question.

   {{#test the_answer}}
";

const TWO: &str = "# Two\n\n## A heading\n\nIt costs \\$5. Back to [one](one.md).\n";

const CODE: &str = "// ANCHOR: here\nfn here() {\n    // ANCHOR: inner\n    let x = 1;\n    \
                    // ANCHOR_END: inner\n}\n// ANCHOR_END: here\n";

const TEST: &str = "#[test]\nfn the_answer() {\n    assert_eq!(6 * 7, 42);\n}\n";

const SIDECAR: &str = r#"{"command": "cargo chapter 01", "config": {}, "seed": 7, "n": 12000,
    "device": "cpu", "date": "2026-01-02", "seconds": 1.5, "version": "0.1.0"}"#;

/// A PNG of one pixel, as far as a browser needs it.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x05\0\0\0\x03\x08\x02\0\0\0";

/// The files of the good book, each of which a test may replace.
fn good() -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        (
            "book/book.toml",
            text(
                "[book]\ntitle = \"t\"\n[build]\nuse-default-preprocessors = false\n[output.html]\ninput-404 = \"\"\n[output.html.playground]\nrunnable = false\n",
            ),
        ),
        ("book/macros.txt", text("\\half:\\frac12\n")),
        ("book/src/SUMMARY.md", text(SUMMARY)),
        ("book/src/one.md", text(ONE)),
        ("book/src/two.md", text(TWO)),
        (
            "src/code.rs",
            text(
                &CODE
                    .replace("    // ANCHOR: inner\n", "")
                    .replace("    // ANCHOR_END: inner\n", ""),
            ),
        ),
        ("tests/facts.rs", text(TEST)),
        ("results/a/plot.png", PNG.to_vec()),
        ("results/a/plot.png.json", text(SIDECAR)),
        ("results/a/numbers.csv", text("name,value\na,1\nb,0.00021\nc,-3.14159\n")),
        ("results/a/numbers.csv.json", text(SIDECAR)),
    ]
}

/// Builds the good book with `changes` (an empty text removes the file): the page one, or every
/// problem.
fn built(changes: &[(&str, &str)]) -> Result<String, Vec<String>> {
    let root = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    for (name, bytes) in good() {
        write(name, &bytes);
    }
    for (name, text) in changes {
        match text.is_empty() {
            true => fs::remove_file(root.path().join(name)).unwrap(),
            false => write(name, text.as_bytes()),
        }
    }
    let out = root.path().join("target/book");
    match build(root.path(), &out).unwrap() {
        Ok(_) => Ok(read(&out, "one.html")),
        Err(problems) => Err(problems.iter().map(ToString::to_string).collect()),
    }
}

fn read(out: &Path, name: &str) -> String {
    fs::read_to_string(out.join(name)).unwrap()
}

/// The one problem of the book whose page one has `extra` at its end.
#[track_caller]
fn wrong_with(extra: &str) -> String {
    the_problem(&[("book/src/one.md", &format!("{ONE}\n{extra}\n"))])
}

#[track_caller]
fn the_problem(changes: &[(&str, &str)]) -> String {
    let mut problems = built(changes).expect_err("the book must not build");
    assert_eq!(problems.len(), 1, "{problems:#?}");
    problems.remove(0)
}

/// The line of page one on which what `wrong_with` adds begins.
fn extra() -> usize {
    ONE.lines().count() + 2
}

#[track_caller]
fn at(line: usize, problem: &str, expected: &str) {
    let place = format!("book/src/one.md:{line}: ");
    assert!(problem.starts_with(&place) && problem.contains(expected), "{problem}");
}

#[test]
fn a_good_book_holds_everything() {
    let page = built(&[]).unwrap();
    let holds = |text: &str| assert!(page.contains(text), "no {text} in {page}");
    holds("class=\"katex-display\"");
    holds("fn here() {");
    holds("src/code.rs");
    holds("<img src=\"results/a/plot.png\" alt=\"a dot\" width=\"5\" height=\"3\"");
    holds("<code>cargo chapter 01</code> · seed\u{a0}7");
    holds("12\u{202f}000");
    holds("−3.14");
    holds("2.1·10<sup>−4</sup>");
    holds("<code>the_<wbr>answer</code>");
    holds("assert_eq!(6 * 7, 42);");
    for absent in ["{{#", "\\frac", "ANCHOR", "data-formula", ">a</td>"] {
        assert!(!page.contains(absent), "{absent} is left in {page}");
    }
}

#[test]
fn what_a_page_shows_is_copied() {
    let root = tempfile::tempdir().unwrap();
    for (name, bytes) in good() {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let out = root.path().join("elsewhere");
    let built = build(root.path(), &out).unwrap().unwrap();
    assert_eq!((built.pages, built.formulas, built.results), (2, 4, 2));
    assert_eq!(fs::read(out.join("results/a/plot.png")).unwrap(), PNG);
    assert!(out.join("results/a/numbers.csv").is_file());
}

#[test]
fn a_missing_include_is_named() {
    let fence = |target: &str| format!("```rust\n{{{{#include ../../{target}}}}}\n```");
    let problem = wrong_with(&fence("src/gone.rs:here"));
    at(extra() + 1, &problem, "there is no src/gone.rs");
    let problem = wrong_with(&fence("src/code.rs:gone"));
    at(extra() + 1, &problem, "no anchor `gone`; it has: here");
    at(extra() + 1, &wrong_with(&fence("src/gone.rs")), "there is no src/gone.rs");
}

#[test]
fn a_whole_file_is_shown_without_its_heading() {
    let fence = "```rust\n{{#include ../../examples/whole.rs}}\n```\n";
    let file = "//! What it is.\n\nfn whole() {}\n";
    let changes = [("book/src/one.md", &*format!("{ONE}\n{fence}")), ("examples/whole.rs", file)];
    let page = built(&changes).unwrap();
    assert!(page.contains("fn whole() {}") && page.contains("examples/whole.rs"), "{page}");
    assert!(!page.contains("What it is."), "{page}");
}

#[test]
fn anchors_are_closed_full_single_and_used() {
    let code = |text: &str| format!("{}{text}", CODE.replace("inner", "here2"));
    let cases = [
        ("", "src/code.rs:3: anchor `here2` is shown on no page"),
        ("// ANCHOR: a\n", "src/code.rs:8: anchor `a` is not closed"),
        ("// ANCHOR: a\n\n// ANCHOR_END: a\n", "src/code.rs:8: anchor `a` is empty"),
        ("// ANCHOR_END: a\n", "src/code.rs:8: no anchor `a` is open here"),
        ("// ANCHOR: here\n// ANCHOR_END: here\n", "src/code.rs:8: a second anchor `here`"),
    ];
    for (text, expected) in cases {
        let problems = built(&[("src/code.rs", &code(text))]).unwrap_err();
        assert!(problems.iter().any(|p| p == expected), "{expected}: {problems:#?}");
    }
}

#[test]
fn rust_of_a_page_s_own_is_short() {
    let fence = |lines: usize| format!("```rust\n{}```", "f();\n".repeat(lines));
    assert!(built(&[("book/src/two.md", &format!("{TWO}\n{}\n", fence(3)))]).is_ok());
    at(extra(), &wrong_with(&fence(4)), "4 lines of Rust that no compiler sees");
    let mixed = "```rust\nlet a = 1;\n{{#include ../../src/code.rs:here}}\n```";
    at(extra() + 2, &wrong_with(mixed), "stands alone");
    at(extra(), &wrong_with("```rust\nlet a = 1;"), "not closed");
}

#[test]
fn formulas_that_fail_are_named() {
    at(extra(), &wrong_with(r"A $\frac{1}$."), "Unexpected end of input");
    at(extra() + 2, &wrong_with("Text,\n\n$$ \\nosuch $$"), r"Undefined control sequence: \nosuch");
}

#[test]
fn nothing_is_left_over_as_text() {
    at(extra(), &wrong_with("It is $5 or so."), "`$5 or so.` is left over");
    at(extra() + 1, &wrong_with("First,\nthen \\alpha."), "`\\alpha.` is left over");
    at(extra(), &wrong_with("{{#title x}}"), "`{{#title x}}` is no directive");
    let problem = wrong_with("<div>\n$$ x $$\n</div>");
    assert_eq!(problem, "book/src/one.md: `$$ x $$` is left over as text");
}

#[test]
fn links_lead_somewhere() {
    at(
        extra(),
        &wrong_with("[gone](three.md)"),
        "a link leads to three.html, which does not exist",
    );
    at(
        extra(),
        &wrong_with("[gone](two.md#nowhere)"),
        "leads to `#nowhere`, which two.html does not have",
    );
    at(
        extra(),
        &wrong_with("[gone](#nowhere)"),
        "leads to `#nowhere`, which one.html does not have",
    );
    let problem = wrong_with("<a href=\"three.html\">gone</a>");
    assert!(problem.starts_with("book/src/one.md: a link leads to three.html"), "{problem}");
    assert!(
        built(&[("book/src/two.md", &format!("{TWO}\n[out](https://example.org/x#y)\n"))]).is_ok()
    );
}

#[test]
fn images_exist_and_stay_off_the_network() {
    at(extra(), &wrong_with("![x](gone.png)"), "leads to gone.png, which does not exist");
    let problem = wrong_with("![x](https://example.org/x.png)");
    assert!(problem.contains("would fetch https://example.org/x.png"), "{problem}");
}

#[test]
fn results_have_sidecars() {
    let line = |needle: &str| ONE.lines().position(|l| l.contains(needle)).unwrap() + 1;
    let problem = the_problem(&[("results/a/plot.png.json", "")]);
    at(line("{{#figure"), &problem, "results/a/plot.png has no sidecar results/a/plot.png.json");
    let problem = the_problem(&[("results/a/plot.png.json", "{\"seed\": 1}")]);
    at(line("{{#figure"), &problem, "missing field `command`");
    let problems = built(&[("results/a/numbers.csv.json", "")]).unwrap_err();
    at(line("{{#table"), &problems[0], "has no sidecar");
    at(line("{{#value"), &problems[1], "has no sidecar");
    at(
        line("{{#figure"),
        &the_problem(&[("results/a/plot.png", "")]),
        "there is no results/a/plot.png",
    );
}

#[test]
fn figures_and_tables_are_complete() {
    let figure = "{{#figure results/a/plot.png\ncaption: no alt\n}}";
    at(extra(), &wrong_with(figure), "needs a line `alt: ...`");
    let table =
        |fields: &str| format!("{{{{#table results/a/numbers.csv\n{fields}\ncaption: c\n}}}}");
    at(extra(), &wrong_with(&table("columns: nam")), "no column `nam`; it has: name, value");
    at(extra(), &wrong_with(&table("rows: name = z")), "no row where name = z");
    at(extra(), &wrong_with(&table("columns: name .2")), "`a` is not a number");
    at(extra(), &wrong_with(&table("widht: 3")), "`widht:` is none of");
    at(extra(), &wrong_with("{{#value results/a/numbers.csv value}}"), "3 rows fit, one is needed");
    at(extra(), &wrong_with("{{#figure results/a/plot.png"), "not closed by }}");
}

#[test]
fn solutions_are_tests() {
    at(extra(), &wrong_with("{{#test no_such}}"), "there is no test `no_such` in tests/");
    at(extra(), &wrong_with("As {{#fact no_such}} says."), "there is no test `no_such` in tests/");
    let plain = TEST.replace("#[test]", "#[inline]");
    let problems = built(&[("tests/facts.rs", &plain)]).unwrap_err();
    assert!(problems.iter().all(|p| p.contains("there is no test `the_answer`")), "{problems:#?}");
}

#[test]
fn what_belongs_to_a_list_stays_in_it_and_commas_stay_with_their_formulas() {
    let page = built(&[]).unwrap();
    let list = page.split_once("<li>").unwrap().1.split_once("</li>").unwrap().0;
    assert!(list.contains("<details") && list.contains("assert_eq!(6 * 7, 42);"), "{list}");
    assert!(page.contains(",</span> and one for itself"), "{page}");
}

#[test]
fn mdbook_s_warnings_count() {
    let problem = wrong_with("<section>\n\nnever closed");
    assert!(problem.starts_with("mdBook: "), "{problem}");
}

#[test]
fn the_glossary_is_in_alphabetical_order() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../book/src/glossary.md");
    let page = fs::read_to_string(page).unwrap();
    let lines: Vec<&str> = page.lines().collect();
    let terms = lines.windows(2).filter(|pair| pair[1].starts_with(": ")).map(|pair| pair[0]);
    let key = |term: &str| term.to_lowercase().replace('é', "e").replace('-', " ");
    let terms: Vec<String> = terms.map(key).collect();
    assert!(terms.len() > 50, "{} terms", terms.len());
    for pair in terms.windows(2) {
        assert!(pair[0] < pair[1], "{} stands before {}", pair[0], pair[1]);
    }
}
