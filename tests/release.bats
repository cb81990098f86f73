# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# scripts/release refuses a commit that isn't ready, and makes the archive. Each case
# has a checkout of its own.

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	git init -q checkout
	cd checkout || return
	mkdir -p scripts/rpm scripts/arch build
	cp "$BATS_TEST_DIRNAME"/../scripts/{release,common} scripts/
	printf "project(\n  version: '1.2',\n)\n" >meson.build
	printf '## 1.2\n' >NEWS.md
	echo 'Version: 1.2' >scripts/rpm/ipcfs.spec
	echo 'pkgver=1.2' >scripts/arch/PKGBUILD
	echo '/build*/' >.gitignore
	commit
}

# commit: commits everything, and marks the commit as tested.
commit() {
	git add -A
	git -c user.name=x -c user.email=x@y commit -qm x
	git rev-parse HEAD >build/tested-commit
}

refuses() {
	run scripts/release
	[ "$status" -eq 1 ]
	[[ $output == *"$1"* ]]
	[ ! -e build-release ]
}

@test "an archive, its sum and the command for the tag" {
	run scripts/release
	[ "$status" -eq 0 ]
	sha256sum -c <<<"${lines[0]}"
	[ "${lines[1]}" = "git tag -a v1.2 -m 'ipcfs 1.2'" ]
	tar -tf build-release/ipcfs-1.2.tar.gz | grep -qx ipcfs-1.2/NEWS.md
}

@test "changes in the tree are refused" {
	: >new
	refuses 'the tree has changes'
}

@test "versions that differ are refused" {
	echo '## 1.1' >NEWS.md
	commit
	refuses NEWS.md
	echo '## 1.2' >NEWS.md
	echo 'pkgver=1.1' >scripts/arch/PKGBUILD
	commit
	refuses PKGBUILD
}

@test "a commit whose tests have not passed is refused" {
	echo x >file
	git add -A
	git -c user.name=x -c user.email=x@y commit -qm x
	refuses 'tests have not passed'
	rm build/tested-commit
	refuses 'tests have not passed'
}
