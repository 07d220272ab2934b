package main

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"

	"github.com/postern-mail/postern/pkg/corpora"
)

// realMails gives the corpora's real mails with the line ends that IMAP has, shortest first.
func realMails() ([][]byte, error) {
	files, err := corpora.Files()
	if err != nil {
		return nil, err
	}
	var mails [][]byte
	err = fs.WalkDir(files, "real", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Name() == "LICENSE" {
			return err
		}
		raw, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		raw = bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))
		mails = append(mails, bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n")))
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(mails) == 0 {
		return nil, fmt.Errorf("corpora: no real mails: %w", fs.ErrNotExist)
	}
	slices.SortStableFunc(mails, func(a, b []byte) int { return cmp.Compare(len(a), len(b)) })
	return mails, nil
}

// repeat gives n mails with a mean size of about mean bytes, in an order that is always the
// same: every mail is drawn, and the longer half more often than the other, or the other
// way round, until the mean is right. Each is a mail of its own by its UID.
func repeat(mails [][]byte, n int, mean float64) [][]byte {
	short, long := mails[:len(mails)*3/4], mails[len(mails)*3/4:]
	low, high := meanSize(short), meanSize(long)
	share := min(max((mean-low)/(high-low), 0), 1)
	draw := rand.New(rand.NewPCG(1, 2))
	out := make([][]byte, n)
	var longs, shorts int
	for i := range out {
		if draw.Float64() < share {
			out[i] = long[longs%len(long)]
			longs++
		} else {
			out[i] = short[shorts%len(short)]
			shorts++
		}
	}
	return out
}

func meanSize(mails [][]byte) float64 {
	total := 0
	for _, m := range mails {
		total += len(m)
	}
	return float64(total) / float64(max(len(mails), 1))
}

// sized makes one mail of a size: a line of text and an attachment of noise that no
// decoder recognises.
func sized(size int, seed uint64) []byte {
	const boundary = "=_bench"
	head := "From: Ada <ada@example.org>\r\nTo: support@example.com\r\nSubject: a file\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\n" +
		"Message-ID: <%d@example.org>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"" + boundary + "\"\r\n\r\n" +
		"--" + boundary + "\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nThe file that you asked for.\r\n" +
		"--" + boundary + "\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"noise.bin\"\r\n" +
		"Content-Transfer-Encoding: base64\r\n\r\n"
	tail := "--" + boundary + "--\r\n"
	var b bytes.Buffer
	b.Grow(size + 100)
	fmt.Fprintf(&b, head, seed)
	noise := rand.NewChaCha8([32]byte{byte(seed)})
	// RFC 2045 §6.8: 57 bytes are a line of 76 characters.
	var bytes57 [57]byte
	line := make([]byte, 76, 78)
	for b.Len()+len(line)+2+len(tail) <= size {
		_, _ = noise.Read(bytes57[:])
		base64.StdEncoding.Encode(line, bytes57[:])
		b.Write(append(line, '\r', '\n'))
	}
	b.WriteString(tail)
	return b.Bytes()
}
