package attachment

import (
	"bytes"
	"testing"
)

func TestOfWhatIsLargerThanAllowedOnlyTheBeginningIsHeld(t *testing.T) {
	large := zipOf(t, member{name: "a.txt", content: make([]byte, 40<<20)})
	var a Attachment
	if grown := heapGrowth(t, func() { a = scanFile(t, "a.zip", large) }); grown > 12<<20 {
		t.Errorf("%d MB were allocated", grown>>20)
	}
	want(t, a, Limit, RatioLimit)
	if size, _ := unpackedBy(t, large); size <= DefaultLimits.RatioFloor {
		t.Errorf("ended after %d bytes, within what is allowed", size)
	}
}

func TestAMemberThatIsSmallerThanItSaysIsNotTakenForWhole(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 5<<16) // 5 MB
	copy(content, "the beginning")
	for size, whole := range map[int64]bool{int64(len(content)): true, DefaultLimits.RatioFloor: true, DefaultLimits.RatioFloor + 1: false} {
		w := newWalker(t.Context(), Options{})
		w.budget.part(1)
		got, reason, err := w.read(1, size, bytes.NewReader(content))
		if err != nil || (reason == "") != whole || whole != bytes.Equal(got, content) || !bytes.HasPrefix(content, got) || len(got) < 1<<20 {
			t.Errorf("said to be %d: %d bytes, %q, %v", size, len(got), reason, err)
		}
	}
}
