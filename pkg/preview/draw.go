package preview

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/postern-mail/postern/pkg/confine"
)

// folder is where a child keeps its files, in memory of its own.
const folder = "/tmp"

// Decode is Job: the part that runs confined.
func Decode(ctx context.Context, parts [][]byte, _ confine.Ask) ([][]byte, error) {
	var o order
	if len(parts) != 2 || json.Unmarshal(parts[0], &o) != nil {
		return nil, errors.New("malformed_job")
	}
	document := filepath.Join(folder, "document"+o.Ending)
	if err := os.WriteFile(document, parts[1], 0o600); err != nil {
		return nil, errors.New("scratch")
	}
	if o.Filter != "" {
		if err := toPDF(ctx, document, o); err != nil {
			return nil, errors.New("not_converted")
		}
		document = filepath.Join(folder, "document.pdf")
	}
	count, err := pagesOf(ctx, document)
	if err != nil {
		return nil, errors.New("not_read")
	}
	if err := run(ctx, nil, pdftoppm, "-scale-to", strconv.Itoa(o.Edge), "-f", "1", "-l", strconv.Itoa(o.Pages), document, filepath.Join(folder, "page")); err != nil {
		return nil, errors.New("not_drawn")
	}
	files, err := filepath.Glob(filepath.Join(folder, "page*.ppm"))
	if err != nil || len(files) == 0 {
		return nil, errors.New("not_drawn")
	}
	slices.Sort(files) // pdftoppm fills the numbers up with zeros
	told := answer{More: count > len(files)}
	drawn := [][]byte{nil}
	for _, file := range files[:min(len(files), o.Pages)] {
		pixels, size, err := pixelsOf(file)
		if err != nil {
			return nil, errors.New("not_drawn")
		}
		told.Sizes = append(told.Sizes, size)
		drawn = append(drawn, pixels)
	}
	if drawn[0], err = json.Marshal(told); err != nil {
		return nil, errors.New("not_drawn")
	}
	return drawn, nil
}

// begun is how LibreOffice ends that has made its profile, and wants to be started once more.
const begun = 81

// toPDF has LibreOffice print the first pages of a document into a PDF beside it: one page more than is
// drawn, so that it can be told that there are more.
func toPDF(ctx context.Context, document string, o order) error {
	pages, err := json.Marshal(map[string]any{"PageRange": map[string]string{"type": "string", "value": "1-" + strconv.Itoa(o.Pages+1)}})
	if err != nil {
		return err
	}
	for {
		cmd := program(ctx, soffice, "-env:UserInstallation=file://"+filepath.Join(folder, "profile"),
			"--headless", "--norestore", "--nolockcheck", "--convert-to", "pdf:"+o.Filter+"_pdf_Export:"+string(pages), "--outdir", folder, document)
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+filepath.Dir(soffice)) // which it would find itself in /proc
		err := cmd.Run()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != begun {
			return err
		}
	}
}

// pagesOf is how many pages a PDF says that it has.
func pagesOf(ctx context.Context, document string) (int, error) {
	var out bytes.Buffer
	if err := run(ctx, &out, pdfinfo, document); err != nil {
		return 0, err
	}
	for line := range strings.Lines(out.String()) {
		if count, ok := strings.CutPrefix(line, "Pages:"); ok {
			return strconv.Atoi(strings.TrimSpace(count))
		}
	}
	return 0, errors.New("no number of pages")
}

func run(ctx context.Context, out *bytes.Buffer, name string, args ...string) error {
	cmd := program(ctx, name, args...)
	if out != nil {
		cmd.Stdout = out
	}
	return cmd.Run()
}

func program(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = folder
	return cmd
}

// pixelsOf reads a picture as poppler writes them: a header of text (ppm(5)), and three bytes for each pixel.
func pixelsOf(file string) (pixels []byte, size [2]int, err error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, size, err
	}
	header, pixels, _ := bytes.Cut(content, []byte("\n255\n"))
	if _, err := fmt.Sscanf(string(header), "P6\n%d %d", &size[0], &size[1]); err != nil {
		return nil, size, err
	}
	return pixels, size, nil
}
