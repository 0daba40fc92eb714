use super::*;
use crate::files;
use existing::tests::pretend;
use tempfile::{TempDir, tempdir};

fn repo() -> (TempDir, Repo) {
    let scratch = tempdir().unwrap();
    let repo = Repo { root: scratch.path().to_owned() };
    std::fs::create_dir_all(repo.libtorch()).unwrap();
    (scratch, repo)
}

fn unpacked(folder: &Path, source: &str) {
    let torch = folder.join("torch");
    pretend(&torch, 13);
    std::fs::create_dir_all(folder.join("nvidia")).unwrap();
    Stamp { form: Form::Cpu, source: source.into() }.write(&torch).unwrap();
}

#[test]
fn a_commit_replaces_what_was_there_and_damage_does_not_count() {
    let (_scratch, repo) = repo();
    for source in ["first", "second"] {
        let partial = partial(&repo).unwrap();
        unpacked(&partial, source);
        commit(&repo, &partial).unwrap();
        assert_eq!(installed(&repo).unwrap().source, source);
        assert!(!partial.exists());
    }
    assert!(repo.libtorch().join("nvidia").is_dir());
    pretend(&repo.torch(), 12);
    assert_eq!(installed(&repo), None, "another version");
    pretend(&repo.torch(), 13);
    assert!(installed(&repo).is_some());
    std::fs::write(repo.torch().join("from-noise.json"), "{ \"form\": \"cpu\",").unwrap();
    assert_eq!(installed(&repo), None, "a torn stamp");
}

#[test]
fn a_killed_set_up_does_not_count_and_is_swept_away() {
    let (_scratch, repo) = repo();
    let killed = partial(&repo).unwrap();
    unpacked(&killed, "half");
    assert_eq!(installed(&repo), None);
    // Killed between the two renames of a commit: the old torch is gone, the new not yet there.
    std::fs::rename(killed.join("nvidia"), repo.libtorch().join("nvidia")).unwrap();
    assert_eq!(installed(&repo), None);
    assert_eq!(files::entries(&partial(&repo).unwrap()).count(), 0);
}

#[test]
fn from_torch_never_replaces_what_it_links_to() {
    let (_scratch, repo) = repo();
    let error = link(&repo, &repo.torch()).unwrap_err().to_string();
    assert!(error.contains("would replace"), "{error}");
}
