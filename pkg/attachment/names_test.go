package attachment

import (
	"slices"
	"strings"
	"testing"
)

func TestNamesThatDeceiveAreNamed(t *testing.T) {
	for name, wanted := range map[string][]Reason{
		"":                                 nil,
		"invoice.pdf":                      nil,
		"archive.tar.gz":                   nil,
		"report.v1.2.docx":                 nil,
		"jquery.min.css":                   nil,
		"Rechnung März.pdf":                nil,
		"счёт.pdf":                         nil,
		"חשבונית\u200f.pdf":                nil, // a direction mark is part of honest names
		"日本語.txt":                          nil,
		"µ-values.csv":                     nil,
		"setup.exe":                        {Executable},
		"SETUP.EXE":                        {Executable},
		"setup.exe.":                       {Executable}, // Windows drops the dot
		"setup.exe ":                       {Executable},
		"setup.exe::$DATA":                 {Executable}, // NTFS takes the rest for a stream
		"notes.txt:setup.exe":              {Executable}, // unless NTFS, programs keep it whole or put another mark for the colon
		"12:30 notes.txt":                  nil,
		"setup.j\u200ds":                   {Script}, // nobody sees it, and whoever saves it may drop it
		"setup.js\u061c":                   {Script},
		"Re: setup.js":                     {Script},
		"<setup.exe>":                      {Executable},
		"setup.exe?":                       {Executable},
		"setup.exe\t":                      {Executable},
		"invoice\u2024pdf.exe":             {Executable, MixedScriptName}, // a leader that looks like a dot
		"run.ps1":                          {Script},
		"jquery.min.js":                    {Script},
		"a.lnk":                            {Shortcut},
		"a.iso":                            {DiskImage},
		"a.hta":                            {HTMLApplication},
		"a.one":                            {OneNote},
		"a.chm":                            {CompiledHelp},
		"invoice.pdf.exe":                  {Executable, DoubleExtension},
		"invoice.PDF.Scr":                  {Executable, DoubleExtension},
		"photo.jpg.lnk":                    {Shortcut, DoubleExtension},
		"invoice.pdf.html":                 {DoubleExtension},
		"page.html":                        nil,
		"function.zip.html":                nil,
		"documents.zip.exe":                {Executable, DoubleExtension},
		"invoice.pdf                 .exe": {Executable, DoubleExtension, PaddedName},
		"invoice\u202efdp.exe":             {RightToLeftOverride, Executable},
		"invoice\u202efdp.txt":             {RightToLeftOverride},
		"a\u200bb.pdf":                     {ControlCharacterName},
		"a\x00.pdf":                        {ControlCharacterName},
		"p\u0430ypal.pdf":                  {MixedScriptName}, // a Cyrillic a
	} {
		if got := nameReasons(name); !slices.Equal(got, wanted) {
			t.Errorf("%q: %v, want %v", name, got, wanted)
		}
	}
}

func TestNamesThatMailProgramsBlockAreNamed(t *testing.T) {
	for reason, list := range map[Reason]string{
		Executable: "xbap msu ppkg appinstaller vsto osd shs fxp pyc pyo ade mde accde",
		Script:     "deskthemepack diagpkg printerexport webpnp prf ops prg htc xsn ahk au3 vbscript jsp",
		Shortcut:   "shb grp mad maf mag mam",
		"":         "xla xlam cnt hpj pcd msh bas job xsl webarchive", // documents, pictures, sources: a click runs nothing
	} {
		for _, extension := range strings.Fields(list) {
			a := scanFile(t, "file."+extension, []byte("some plain words here"))
			if (a.Verdict == Suspicious) != (reason != "") || reason != "" && !contains(a.Reasons, reason) {
				t.Errorf("%s: %s %v", extension, a.Verdict, a.Reasons)
			}
		}
	}
}

func TestAPartWhoseNameEndsAsAFolderIsNone(t *testing.T) {
	want(t, scanFile(t, "setup.exe/", []byte("x")), Suspicious, Executable)
	want(t, scanFile(t, "a.zip", zipOf(t, member{name: "example.com/", content: nil})), Clean)
}

func TestMemberPathsThatEscapeAreNamed(t *testing.T) {
	for name, escaping := range map[string]bool{
		"a/b.txt": false, "a/../b.txt": false, "./a": false, "a..b": false, "": false, "a/..": false,
		"../a": true, "a/../../b": true, "/etc/passwd": true, `..\a`: true, `C:\a`: true, `\\host\a`: true, "c:a": true,
	} {
		if got := escapes(name); got != escaping {
			t.Errorf("%q: %v", name, got)
		}
	}
}

func TestWhatIsNotWhatItSaysIsAMismatch(t *testing.T) {
	png := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x02\x00\x00\x00")
	jpeg := []byte("\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01")
	page := []byte("<!DOCTYPE html><html><body>x</body></html>")
	for _, c := range []struct {
		name, declared string
		content        []byte
		mismatch       bool
	}{
		{"a.pdf", "application/pdf", programBytes, true},
		{"a.exe", "image/png", programBytes, true},
		{"a.exe", "application/x-msdownload", programBytes, false},
		{"a.jpg", "image/jpeg", page, true},
		{"a.pdf", "application/octet-stream", page, true},
		{"a.html", "text/html", page, false},
		{"a.txt", "text/plain", page, false},
		{"a.png", "image/png", zipOf(t, member{name: "a", content: []byte("x")}), true},
		{"a.zip", "text/plain", zipOf(t, member{name: "a", content: []byte("x")}), false},
		{"a.jpg", "image/jpeg", png, false}, // one picture for another misleads nobody
		{"a.jpg", "image/jpeg", jpeg, false},
		{"a.docx", "application/octet-stream", wordPackage(t), false},
		{"a.doc", "application/msword", []byte(`{\rtf1 x}`), false}, // Word writes such
		{"a.jpg", "image/jpeg", []byte(`{\rtf1 x}`), true},
		{"a.csv", "text/csv", []byte("a,b\r\n1,2\r\n"), false},
	} {
		a := scanWith(t, c.name, c.declared, c.content, Options{})
		if contains(a.Reasons, TypeMismatch) != c.mismatch {
			t.Errorf("%s, %s, detected %s: %v", c.name, c.declared, a.DetectedType, a.Reasons)
		}
	}
}

func TestContainersWithoutADecoderAreKnownAndNeverClean(t *testing.T) {
	iso := make([]byte, 17*2048)
	copy(iso[16*2048:], "\x01CD001\x01")
	for name, content := range map[string][]byte{
		"cab":       append([]byte("MSCF\x00\x00\x00\x00"), make([]byte, 40)...),
		"arj":       append([]byte("\x60\xea\x2a\x00"), make([]byte, 40)...),
		"lha":       append([]byte("\x20\x00-lh5-"), make([]byte, 40)...),
		"ace":       append([]byte("1234567**ACE**"), make([]byte, 40)...),
		"compress":  append([]byte("\x1f\x9d\x90"), make([]byte, 40)...),
		"lz4":       append([]byte("\x04\x22\x4d\x18"), make([]byte, 40)...),
		"lzip":      append([]byte("LZIP\x01"), make([]byte, 40)...),
		"wim":       append([]byte("MSWIM\x00\x00\x00"), make([]byte, 40)...),
		"xar":       append([]byte("xar!\x00\x1c\x00\x01"), make([]byte, 40)...),
		"cpio":      []byte("070701" + "0000000000000000"),
		"ar":        []byte("!<arch>\nfile/           0           0     0     644     4         `\nabcd"),
		"old rar":   append([]byte("RE~^"), make([]byte, 40)...),
		"vhdx":      append([]byte("vhdxfile"), make([]byte, 40)...),
		"named zip": []byte("this is no archive at \x00\x01\x02 all"),
	} {
		file := "a.bin"
		if name == "named zip" {
			file = "a.zip"
		}
		a := scanFile(t, file, content)
		if a.Verdict == Clean || !contains(a.Reasons, UnsupportedContainer) {
			t.Errorf("%s is %s %s %v", name, a.DetectedType, a.Verdict, a.Reasons)
		}
	}
	want(t, scanFile(t, "a.bin", iso), Suspicious, DiskImage)
}

func TestTextsThatActAreNamed(t *testing.T) {
	for content, wanted := range map[string]Reason{
		"[InternetShortcut]\r\nURL=https://example.org/\r\n":         Shortcut,
		"@echo off\r\ndel a\r\n":                                     Script,
		"#!/bin/sh\necho\n":                                          Script,
		"<html><head><HTA:APPLICATION id=x></head></html>":           HTMLApplication,
		"MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nhello": "",
	} {
		a := scanFile(t, "a", []byte(content))
		if wanted == "" {
			if a.DetectedType != "message/rfc822" || a.Verdict != Clean {
				t.Errorf("%q is %s %s", content, a.DetectedType, a.Verdict)
			}
			continue
		}
		want(t, a, Suspicious, wanted)
	}
}
