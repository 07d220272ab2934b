package preview

import (
	"bytes"
	"image/png"
	"testing"
)

func TestPagesAreMadeOfPixelsAndOfNothingElse(t *testing.T) {
	six := []byte{255, 0, 0, 0, 255, 0, 0, 0, 255, 1, 2, 3, 4, 5, 6, 7, 8, 9} // red, green, blue; and three others
	pages, err := read([][]byte{[]byte(`{"Sizes":[[3,2],[2,3]],"More":true}`), six, six})
	if err != nil || len(pages.Pictures) != 2 || !pages.More {
		t.Fatalf("%+v, %v", pages, err)
	}
	first, err := png.Decode(bytes.NewReader(pages.Pictures[0].PNG))
	if err != nil {
		t.Fatal(err)
	}
	for x, want := range [][3]uint32{{0xffff, 0, 0}, {0, 0xffff, 0}, {0, 0, 0xffff}} {
		if r, g, b, a := first.At(x, 0).RGBA(); [3]uint32{r, g, b} != want || a != 0xffff {
			t.Errorf("at %d: %x %x %x %x", x, r, g, b, a)
		}
	}
	row := make([]byte, 3*(Edge+1))
	for name, c := range map[string]struct {
		told    string
		results [][]byte
		ok      bool
	}{
		"as long as may be":     {`{"Sizes":[[1100,1]]}`, [][]byte{row[:3*Edge]}, true},
		"a pixel longer":        {`{"Sizes":[[1101,1]]}`, [][]byte{row}, false},
		"higher":                {`{"Sizes":[[1,1101]]}`, [][]byte{row}, false},
		"as many as may be":     {`{"Sizes":[[1,1],[1,1],[1,1]]}`, [][]byte{row[:3], row[:3], row[:3]}, true},
		"one more":              {`{"Sizes":[[1,1],[1,1],[1,1],[1,1]]}`, [][]byte{row[:3], row[:3], row[:3], row[:3]}, false},
		"no page":               {`{"Sizes":[]}`, nil, false},
		"fewer pixels":          {`{"Sizes":[[2,1]]}`, [][]byte{row[:5]}, false},
		"more pixels":           {`{"Sizes":[[2,1]]}`, [][]byte{row[:7]}, false},
		"none in a row":         {`{"Sizes":[[0,1]]}`, [][]byte{nil}, false},
		"less than none":        {`{"Sizes":[[-1,-1]]}`, [][]byte{row[:3]}, false},
		"a picture of theirs":   {`{"Sizes":[[1,1]]}`, [][]byte{pages.Pictures[0].PNG}, false},
		"another number":        {`{"Sizes":[[1,1]]}`, [][]byte{row[:3], row[:3]}, false},
		"what is no answer":     {`<svg/>`, [][]byte{row[:3]}, false},
		"more than is listened": {`{"Sizes":[[1,1]]}` + string(bytes.Repeat([]byte(" "), toldLimit)), [][]byte{row[:3]}, false},
	} {
		got, err := read(append([][]byte{[]byte(c.told)}, c.results...))
		if (err == nil) != c.ok || !c.ok && len(got.Pictures) > 0 {
			t.Errorf("%s: %d pictures, %v", name, len(got.Pictures), err)
		}
	}
	if Edge != 1100 || MaxPages != 3 {
		t.Error("these tests are for other limits")
	}
}
