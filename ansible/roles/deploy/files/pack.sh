#!/bin/sh
# Packs what releases need of ANSIBLE, so that the same files always give the same archive. Prints its path and the name
# of the folder within.
set -eu
ansible=$1
draft=$(mktemp -d)
trap 'rm -rf "$draft"' EXIT
cp -r "$ansible/ansible.cfg" "$ansible/playbooks" "$draft"
find "$draft" '(' -name '*.pyc' -o -name '.*' ')' -type f -delete
pack() {
    tar -C "$draft" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX "$@"
}
name=$(pack -c . | sha256sum | cut -c1-16)
folder=${TMPDIR:-/tmp}/coalmine-deploy-$(id -u)
mkdir -p -m 0700 "$folder"
[ -O "$folder" ]
pack -cz --transform "s,^\\.,$name," . >"$folder/$name.draft"
mv "$folder/$name.draft" "$folder/$name.tar.gz"
find "$folder" -name '*.tar.gz' ! -name "$name.tar.gz" -delete
printf '%s\n%s\n' "$folder/$name.tar.gz" "$name"
