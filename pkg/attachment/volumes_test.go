package attachment

import (
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/mail"
)

// mailWith is a message that carries several files, name and content by turns.
func mailWith(files ...string) *mail.Message {
	root := &mail.Part{Type: "multipart/mixed"}
	for i := 0; i < len(files); i += 2 {
		root.Children = append(root.Children, &mail.Part{Path: string(rune('1' + i/2)), Type: octetStream, Disposition: "attachment", Filename: files[i], Content: []byte(files[i+1])})
	}
	return &mail.Message{Root: root}
}

func TestVolumesCutByLengthArePutTogether(t *testing.T) {
	for name, c := range map[string]struct {
		archive string
		member  string
	}{
		"a.7z":  {string(made(t, "stored.7z")), ""},
		"a.zip": {string(zipOf(t, member{name: "crane.exe", content: programBytes})), "crane.exe"},
	} {
		cut := len(c.archive) / 2
		report := Scan(t.Context(), mailWith(name+".002", c.archive[cut:], "words.txt", "words", name+".001", c.archive[:cut]), Options{})
		second, first := report.Attachments[0], report.Attachments[2]
		if len(first.Children) != 1 || first.Children[0].Name != name || first.Children[0].Size != int64(len(c.archive)) {
			t.Fatalf("%s: %+v", name, first)
		}
		want(t, second, Unsupported, ArchiveInVolumes)
		want(t, report.Attachments[1], Clean)
		if c.member != "" {
			want(t, first, Suspicious, ArchiveInVolumes, Executable)
			if memberNamed(first.Children[0], c.member).SHA256 != sum(string(programBytes)) {
				t.Errorf("%s: %+v", name, first.Children[0].Children)
			}
		} else {
			want(t, first, Encrypted, ArchiveInVolumes, EncryptedArchive)
		}
		if contains(report.Scan.Reasons, MissingVolume) || contains(report.Scan.Reasons, MalformedArchive) {
			t.Errorf("%s: %v", name, report.Scan.Reasons)
		}
		for _, part := range report.Account.Parts {
			if part.Path == "3" && part.Verdict != first.Verdict {
				t.Errorf("%s: the account says %s", name, part.Verdict)
			}
		}
	}
}

func TestVolumesThatAreNotPutTogetherAreNamed(t *testing.T) {
	bytes := strings.Repeat("\xa5\x5a\x00", 40)
	for _, files := range [][]string{
		{"a.part1.rar", bytes, "a.part2.rar", bytes}, {"a.z01", bytes, "A.ZIP", bytes}, {"a.rar", bytes, "a.r00", bytes, "a.r01", bytes},
		{"a.7z.001", bytes, "a.7z.003", bytes}, {"a.001", bytes, "a.002", bytes},
	} {
		report := Scan(t.Context(), mailWith(files...), Options{})
		for _, a := range report.Attachments {
			want(t, a, Unsupported, ArchiveInVolumes)
		}
	}
	for _, files := range [][]string{{"a.7z.001", bytes, "b.7z.002", bytes}, {"a.002", bytes}} {
		report := Scan(t.Context(), mailWith(files...), Options{})
		for _, a := range report.Attachments {
			want(t, a, Unsupported, MissingVolume)
		}
	}
	report := Scan(t.Context(), mailWith("log.001", "words\n", "log.002", "more words\n"), Options{})
	if report.Scan.Verdict != Clean {
		t.Errorf("two texts: %+v", report.Scan)
	}
}

func TestVolumesLargerThanAMemberMayBeStayApart(t *testing.T) {
	archive := string(zipOf(t, member{name: "a.txt", content: []byte("words")}))
	files := []string{"a.zip.001", archive[:50], "a.zip.002", archive[50:]}
	for limit, joined := range map[int64]bool{int64(len(archive)): true, int64(len(archive)) - 1: false} {
		report := Scan(t.Context(), mailWith(files...), Options{Limits: Limits{MemberBytes: limit}})
		if got := len(report.Attachments[0].Children) == 1 && report.Attachments[0].Children[0].Name == "a.zip"; got != joined {
			t.Errorf("limit %d: %v", limit, got)
		}
		if report.Scan.Verdict == Clean {
			t.Errorf("limit %d: clean", limit)
		}
	}
}
