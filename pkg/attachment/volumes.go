package attachment

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/postern-mail/postern/pkg/mail"
)

// Volumes of one archive that come as several files of a mail. What was cut by length alone
// (".001", ".002") is put together and examined; of the others it is said what they are.

// volumeForms are the names of volumes: what the archive is called, and the number.
var volumeForms = []struct {
	name   *regexp.Regexp
	ending string // of the archive
	first  int    // the number of the first that is named so
	cut    bool   // by length alone
}{
	{regexp.MustCompile(`(?i)^(.+)\.([0-9]{3})$`), "", 1, true},
	{regexp.MustCompile(`(?i)^(.+)\.part([0-9]{1,3})\.(?:rar|exe)$`), ".rar", 1, false},
	{regexp.MustCompile(`(?i)^(.+)\.z([0-9]{2})$`), ".zip", 1, false},
	{regexp.MustCompile(`(?i)^(.+)\.r([0-9]{2})$`), ".rar", 0, false},
	{regexp.MustCompile(`(?i)^(.+)\.a([0-9]{2})$`), ".arj", 1, false},
}

// A volumeSet are the files of a mail that belong to one archive, by their numbers.
type volumeSet struct {
	archive string // as the first that was found has it
	files   map[int]*found
	cut     bool
}

// volumeSets finds the volumes among the files of a mail.
func volumeSets(all []found) []*volumeSet {
	var sets []*volumeSet
	byName := map[string]*volumeSet{}
	for i := range all {
		if !all[i].listed || familyOf(all[i].DetectedType) == text {
			continue
		}
		name := baseName(all[i].Name)
		for _, form := range volumeForms {
			m := form.name.FindStringSubmatch(name)
			if m == nil {
				continue
			}
			archive := m[1] + form.ending
			set := byName[strings.ToLower(archive)]
			if set == nil {
				set = &volumeSet{archive: archive, files: map[int]*found{}, cut: form.cut}
				byName[strings.ToLower(archive)], sets = set, append(sets, set)
			}
			if number, err := strconv.Atoi(m[2]); err == nil && set.files[number-form.first+1] == nil {
				set.files[number-form.first+1] = &all[i]
			}
			break
		}
	}
	for i := range all { // "a.zip" ends "a.z01", "a.rar" begins "a.r00"
		if set := byName[strings.ToLower(baseName(all[i].Name))]; set != nil && !set.cut && all[i].listed {
			set.files[0] = &all[i]
		}
	}
	return slices.DeleteFunc(sets, func(s *volumeSet) bool { return len(s.files) < 2 })
}

// joinVolumes says of each volume that it is one, and lists with the first what they make.
func (w *walker) joinVolumes(msg *mail.Message, all []found) {
	sets := volumeSets(all)
	if len(sets) == 0 {
		return
	}
	content := map[string][]byte{}
	msg.Walk(func(p *mail.Part) { content[p.Path] = contentOf(p) })
	for _, set := range sets {
		joined := set.cut && w.join(set, content)
		for _, volume := range set.files {
			volume.drop(MissingVolume)
			if joined { // of which each alone is but a part
				volume.drop(MalformedArchive)
				volume.drop(UnsupportedContainer)
			}
			volume.add(ArchiveInVolumes)
			volume.judge()
			w.books.judged(&volume.Attachment)
		}
	}
}

// join puts the volumes together and examines what they make; false where one is missing, or
// they make no archive.
func (w *walker) join(set *volumeSet, content map[string][]byte) bool {
	var whole bytes.Buffer
	for number := 1; number <= len(set.files); number++ {
		volume := set.files[number]
		if volume == nil || int64(whole.Len()+len(content[volume.Path])) > w.options.Limits.MemberBytes {
			return false
		}
		whole.Write(content[volume.Path])
	}
	first := set.files[1]
	if w.budget.part(int64(whole.Len())); w.budget.member() != "" {
		return false
	}
	archive := w.look(file{path: childPath(first.Path, 1), name: set.archive, content: whole.Bytes(), depth: 1})
	w.ask(&archive, whole.Bytes())
	archive.judge()
	if familyOf(archive.DetectedType) != familyOf("application/zip") || contains(archive.Reasons, MalformedArchive) {
		return false
	}
	first.Children = []Attachment{archive}
	return true
}
