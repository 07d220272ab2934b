package attachment

import (
	"encoding/binary"
	"testing"
)

// isoOf is an image of one folder (ECMA-119 §8.4, §9.1) with its files from
// sector 20 on, one sector each.
func isoOf(names []string, contents [][]byte) []byte {
	b := make([]byte, (20+len(names))*isoSector)
	record := func(name string, sector, size int, flags byte) []byte {
		r := make([]byte, 33+len(name)+(len(name)+1)%2)
		r[0] = byte(len(r))
		binary.LittleEndian.PutUint32(r[2:], uint32(sector))
		binary.BigEndian.PutUint32(r[6:], uint32(sector))
		binary.LittleEndian.PutUint32(r[10:], uint32(size))
		binary.BigEndian.PutUint32(r[14:], uint32(size))
		r[25], r[32] = flags, byte(len(name))
		copy(r[33:], name)
		return r
	}
	descriptor := b[16*isoSector:]
	copy(descriptor, "\x01CD001\x01")
	copy(descriptor[156:], record("\x00", 18, isoSector, isoDirectory))
	copy(b[17*isoSector:], "\xffCD001\x01")
	folder := append(record("\x00", 18, isoSector, isoDirectory), record("\x01", 18, isoSector, isoDirectory)...)
	for i, name := range names {
		folder = append(folder, record(name, 20+i, len(contents[i]), 0)...)
		copy(b[(20+i)*isoSector:], contents[i])
	}
	copy(b[18*isoSector:], folder)
	return b
}

func TestADiskImageIsSuspiciousAndWalked(t *testing.T) {
	a := scanFile(t, "a.iso", isoOf([]string{"README.TXT;1", "EICAR.COM;1"}, [][]byte{[]byte("hello\n"), testString}))
	want(t, a, Infected, DiskImage, EICARTestFile)
	if len(a.Children) != 2 || a.Children[0].Name != "README.TXT" || a.Children[0].SHA256 != sum("hello\n") {
		t.Errorf("got %+v", a.Children)
	}
	want(t, scanFile(t, "a.iso", isoOf([]string{"README.TXT;1"}, [][]byte{[]byte("hello\n")})), Suspicious, DiskImage)
}

func TestADiskImageWhoseFolderHoldsItselfEnds(t *testing.T) {
	b := isoOf([]string{"LOOP"}, [][]byte{[]byte("x")})
	at := 18*isoSector + 34 + 34 // behind the two records of the folder itself
	binary.LittleEndian.PutUint32(b[at+2:], 18)
	binary.LittleEndian.PutUint32(b[at+10:], isoSector)
	b[at+25] = isoDirectory
	want(t, scanFile(t, "a.iso", b), Suspicious, DiskImage)
}

func TestADiskImageThatPointsOutsideIsAnError(t *testing.T) {
	b := isoOf([]string{"A"}, [][]byte{[]byte("x")})
	binary.LittleEndian.PutUint32(b[18*isoSector+34+34+2:], 1<<31)
	want(t, scanFile(t, "a.iso", b), Error, MalformedArchive)
}

func TestADiskImageInUDFIsNotRead(t *testing.T) {
	b := make([]byte, 40*isoSector)
	copy(b[16*isoSector:], "\x00BEA01\x01")
	copy(b[17*isoSector:], "\x00NSR02\x01")
	a := scanFile(t, "a.iso", b)
	want(t, a, Suspicious, DiskImage, UnsupportedContainer)
}

func FuzzISO(f *testing.F) {
	fuzzOne(f, "a.iso", isoOf([]string{"A;1", "B;1"}, [][]byte{[]byte("x"), testString}))
}
