use super::*;
use tempfile::tempdir;

fn repo(scratch: &tempfile::TempDir) -> Repo {
    let repo = Repo { root: scratch.path().to_owned() };
    std::fs::create_dir_all(repo.libtorch()).unwrap();
    repo
}

fn unpacked(folder: &Path, content: &str) {
    let torch = folder.join("torch");
    files::write(&torch.join("lib/libc10.so"), content).unwrap();
    std::fs::create_dir_all(folder.join("nvidia")).unwrap();
    Stamp::of(&torch, Form::Cpu, content).write(&torch).unwrap();
}

#[test]
fn a_commit_replaces_what_was_there_and_damage_does_not_count() {
    let scratch = tempdir().unwrap();
    let repo = repo(&scratch);
    for content in ["first", "second"] {
        let partial = partial(&repo).unwrap();
        unpacked(&partial, content);
        commit(&repo, &partial).unwrap();
        assert_eq!(installed(&repo).unwrap().source, content);
        assert!(!partial.exists());
    }
    assert!(repo.libtorch().join("nvidia").is_dir());
    std::fs::write(repo.torch().join("lib/libc10.so"), "torn").unwrap();
    assert_eq!(installed(&repo), None);
}

#[test]
fn a_killed_set_up_does_not_count_and_is_swept_away() {
    let scratch = tempdir().unwrap();
    let repo = repo(&scratch);
    let killed = repo.libtorch().join(".partial-1");
    unpacked(&killed, "half");
    assert_eq!(installed(&repo), None);
    // Killed between the two renames of a commit: the old torch is gone, the new not yet there.
    std::fs::rename(killed.join("nvidia"), repo.libtorch().join("nvidia")).unwrap();
    assert_eq!(installed(&repo), None);
    let fresh = partial(&repo).unwrap();
    assert!(!killed.exists() && fresh.is_dir());
}

#[test]
fn from_torch_never_replaces_what_it_links_to() {
    let scratch = tempdir().unwrap();
    let repo = repo(&scratch);
    let error = link(&repo, &repo.torch()).unwrap_err().to_string();
    assert!(error.contains("would replace"), "{error}");
}
