package deploy_test

import (
	"debug/elf"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/bus/topology"
)

// built is the program as the image has it, made by the image's own command.
func built(t *testing.T) string {
	t.Helper()
	command := regexp.MustCompile(`(?m)^RUN (CGO_ENABLED=0 .* go build .*)$`).FindStringSubmatch(read(t, "container/Dockerfile"))
	if command == nil {
		t.Fatal("the Dockerfile builds nothing")
	}
	out := filepath.Join(t.TempDir(), "postern")
	build := exec.Command("sh", "-c", strings.Replace(command[1], "/out/postern", out, 1))
	build.Dir, build.Env = "..", append(os.Environ(), "VERSION=v1.2.3")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	return out
}

func TestTheImageHoldsOneStaticProgramAndNoShell(t *testing.T) {
	text := read(t, "container/Dockerfile")
	last := text[strings.LastIndex(text, "\nFROM "):]
	if !strings.HasPrefix(last, "\nFROM scratch\n") || !strings.Contains(last, "\nUSER 65532:65532\n") || strings.Contains(last, "\nRUN") {
		t.Errorf("the image is %s", last)
	}
	goVersion := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(read(t, "../go.mod"))
	if base := regexp.MustCompile(`FROM golang:([0-9.]+)-`).FindStringSubmatch(text); base == nil || !strings.HasPrefix(base[1], strings.TrimSuffix(goVersion[1], ".0")) {
		t.Errorf("it is built with Go %v, and go.mod says %s", base, goVersion[1])
	}
	program := built(t)
	file, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, segment := range file.Progs {
		if segment.Type == elf.PT_INTERP || segment.Type == elf.PT_DYNAMIC {
			t.Errorf("it needs a loader: %v", segment.Type)
		}
	}
	if out, err := exec.Command(program, "version").Output(); err != nil || string(out) != "postern v1.2.3\n" {
		t.Errorf("%v: %q", err, out)
	}

	t.Run("secrets", func(t *testing.T) { secretsAreEachServicesOwn(t, program) })
}

// secretsAreEachServicesOwn runs deploy/prepare: each folder holds what its container needs and no more,
// and a second run changes nothing.
func secretsAreEachServicesOwn(t *testing.T, program string) {
	folder := filepath.Join(t.TempDir(), "secrets")
	prepare := func() map[string]string {
		t.Helper()
		command := exec.Command("./prepare", folder)
		command.Env = append(os.Environ(), "POSTERN="+program, "OWNER=0:0")
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		files := map[string]string{}
		err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			if info, err := entry.Info(); err != nil || info.Mode().Perm()&0o077 != 0 && !strings.HasSuffix(path, ".pub") {
				t.Errorf("%s: %v, %v", path, info.Mode(), err)
			}
			name, err := filepath.Rel(folder, path)
			files[name] = read(t, path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	first := prepare()
	of := map[string][]string{}
	for name := range first {
		of[filepath.Dir(name)] = append(of[filepath.Dir(name)], filepath.Base(name))
	}
	for _, p := range parts {
		if got := slices.Sorted(slices.Values(of[p.Name])); !slices.Equal(got, p.secrets()) {
			t.Errorf("%s gets %v, want %v", p.Name, got, p.secrets())
		}
	}
	// A seed or a password stands with its owner, and with whoever checks it.
	for name, text := range first {
		for other, elsewhere := range first {
			mayShare := filepath.Dir(name) == "keep" || filepath.Dir(other) == "keep" || strings.HasPrefix(other, "keep/") || strings.HasPrefix(name, "keep/") ||
				filepath.Dir(name) == "bucket" || filepath.Dir(other) == "bucket" || filepath.Base(name) == "redis-password"
			secret := strings.HasSuffix(name, ".seed") || strings.HasSuffix(name, "-secret-key") || strings.HasSuffix(name, "password")
			if secret && name != other && !mayShare && strings.Contains(elsewhere, strings.TrimSpace(text)) {
				t.Errorf("%s stands in %s", name, other)
			}
		}
	}
	if acl := first["redis/users.acl"]; strings.Contains(acl, strings.TrimSpace(first["keep/redis-password"])) {
		t.Error("Redis's file holds the password itself")
	}
	for _, tool := range []string{topology.Customers, topology.Doctor, topology.Evidence, topology.Mailbox, topology.SetAside} {
		if !slices.Contains(of["operator"], tool+".seed") {
			t.Errorf("operators have no %s", tool)
		}
	}
	if !slices.Equal(of["setup"], []string{"ca.pem", "setup.seed"}) && !slices.Equal(of["setup"], []string{"setup.seed", "ca.pem"}) {
		t.Errorf("setup gets %v", of["setup"])
	}
	if err := os.WriteFile(filepath.Join(folder, "keep/decryption/smime/company.pem"), []byte("company"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(folder, "keep/decryption/smime/company.pem"), 0o600); err != nil {
		t.Fatal(err)
	}
	again := prepare()
	for name, text := range again {
		if _, before := first[name]; !before && text != "company" {
			t.Errorf("a second run made %s", name)
		}
	}
	for _, p := range parts {
		if _, has := again[p.Name+"/decryption/smime/company.pem"]; has != p.Decrypts() {
			t.Errorf("%s has the company's private key: %v", p.Name, has)
		}
	}
	for name, text := range first {
		if again[name] != text {
			t.Errorf("a second run changed %s", name)
		}
	}
}

// policy is the bucket's.
type policy struct {
	Statement []struct {
		Effect           string
		Principal        struct{ AWS []string }
		Action, Resource []string
	}
}

func (p policy) who(action string) []string {
	var who []string
	for _, s := range p.Statement {
		if slices.Contains(s.Action, "s3:"+action) {
			who = append(who, s.Principal.AWS...)
		}
	}
	slices.Sort(who)
	return slices.Compact(who)
}

func TestInS3OnlyRetainRemoves(t *testing.T) {
	var bucket policy
	if err := json.Unmarshal([]byte(read(t, "s3/policy.json")), &bucket); err != nil {
		t.Fatal(err)
	}
	for action, want := range map[string][]string{
		"DeleteObject": {"postern-retain"}, "DeleteObjectVersion": {"postern-retain"},
		"PutObject":          {"postern-archive", "postern-ingest", "postern-keyring", "postern-rebuild", "postern-retain", "postern-sanitize"},
		"PutObjectRetention": {"postern-archive"},
		"PutBucketPolicy":    nil, "BypassGovernanceRetention": nil, "*": nil,
	} {
		if who := bucket.who(action); !slices.Equal(who, want) {
			t.Errorf("%s: %v, want %v", action, who, want)
		}
	}
	var users []string
	for _, p := range parts {
		if p.Vault() {
			users = append(users, "postern-"+p.Name)
		}
	}
	users = append(users, "postern-operator", "postern-rebuild")
	slices.Sort(users)
	if who := bucket.who("ListBucket"); !slices.Equal(who, users) {
		t.Errorf("rights are for %v, and the bucket's users are %v", who, users)
	}
}
