package attachment

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/corpora"
)

// eachFile calls visit for every file of the shared attachments.
func eachFile(t testing.TB, visit func(name string, content []byte)) {
	t.Helper()
	files := corpora.Open(t)
	err := fs.WalkDir(files, "attachments", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		visit(strings.TrimPrefix(path, "attachments/"), content)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// fileNamed gives one file of the shared attachments.
func fileNamed(t testing.TB, name string) []byte {
	t.Helper()
	content, err := fs.ReadFile(corpora.Open(t), "attachments/"+name)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestCorporaFilesAreOfTheKindThatTheirMakersSay(t *testing.T) {
	// What each file is stands in its name, or in the test of the project that
	// it comes from.
	for name, wanted := range map[string]struct {
		verdict Verdict
		reason  Reason
	}{
		"eicar.com.txt":                                               {Infected, EICARTestFile},
		"go-zip/test.zip":                                             {Clean, ""},
		"go-zip/unix.zip":                                             {Clean, ""},
		"go-zip/winxp.zip":                                            {Clean, ""},
		"go-zip/dd.zip":                                               {Clean, ""},
		"go-zip/zip64.zip":                                            {Clean, ""},
		"go-zip/zip64-2.zip":                                          {Clean, ""},
		"go-zip/dupdir.zip":                                           {Clean, ""},
		"go-zip/go-with-datadesc-sig.zip":                             {Clean, ""},
		"go-zip/test-trailing-junk.zip":                               {Suspicious, DataAfterArchive},
		"go-zip/test-prefix.zip":                                      {Suspicious, DataBeforeArchive},
		"go-zip/test-badbase.zip":                                     {Ambiguous, WrongZipDirectory},
		"go-zip/test-baddirsz.zip":                                    {Ambiguous, WrongZipDirectory},
		"go-zip/comment-truncated.zip":                                {Ambiguous, SeveralZipDirectories},
		"go-zip/symlink.zip":                                          {Suspicious, LinkMember},
		"go-tar/gnu.tar":                                              {Clean, ""},
		"go-tar/pax.tar":                                              {Clean, ""},
		"go-tar/star.tar":                                             {Clean, ""},
		"go-tar/v7.tar":                                               {Clean, ""},
		"go-tar/sparse-formats.tar":                                   {Clean, ""},
		"go-tar/issue10968.tar":                                       {Unsupported, UnsupportedContainer},
		"go-tar/issue11169.tar":                                       {Error, MalformedArchive},
		"go-tar/pax-bad-hdr-file.tar":                                 {Error, MalformedArchive},
		"go-tar/gnu-sparse-many-zeros.tar.bz2":                        {Limit, RatioLimit},
		"libarchive/test_compat_gzip_1.tgz":                           {Clean, ""},
		"libarchive/test_compat_lzma_3.tlz":                           {Clean, ""},
		"libarchive/test_compat_lz4_2.tar.lz4":                        {Unsupported, UnsupportedContainer},
		"libarchive/test_compat_lzip_2.tlz":                           {Unsupported, UnsupportedContainer},
		"libarchive/test_compat_lzop_3.tar.lzo":                       {Unsupported, UnsupportedContainer},
		"libarchive/test_read_format_ar.ar":                           {Unsupported, UnsupportedContainer},
		"libarchive/test_read_format_cab_3.cab":                       {Unsupported, UnsupportedContainer},
		"libarchive/test_fuzz.cab":                                    {Unsupported, UnsupportedContainer},
		"libarchive/test_read_format_lha_lh6.lzh":                     {Unsupported, UnsupportedContainer},
		"libarchive/test_read_format_lha_header2.lzh":                 {Unsupported, UnsupportedContainer},
		"libarchive/test_read_format_cpio_bin_le.cpio":                {Unsupported, UnsupportedContainer},
		"libarchive/test_read_format_iso.iso.Z":                       {Unsupported, UnsupportedContainer},
		"libarchive/test_read_format_7zip_copy.7z":                    {Clean, ""},
		"libarchive/test_read_format_7zip_lzma1.7z":                   {Clean, ""},
		"libarchive/test_read_format_7zip_lzma2.7z":                   {Clean, ""},
		"libarchive/test_read_format_7zip_delta_lzma2.7z":             {Clean, ""},
		"libarchive/test_read_format_7zip_bcj2_lzma1_2.7z":            {Suspicious, Executable},
		"libarchive/test_read_format_7zip_encryption.7z":              {Encrypted, EncryptedArchive},
		"libarchive/test_read_format_rar.rar":                         {Clean, ""},
		"libarchive/test_read_format_rar_compress_normal.rar":         {Clean, ""},
		"libarchive/test_read_format_rar5_compressed.rar":             {Clean, ""},
		"libarchive/test_read_format_rar5_solid.rar":                  {Clean, ""},
		"libarchive/test_read_format_rar5_multiple_files.rar":         {Clean, ""},
		"libarchive/test_read_format_rar_windows.rar":                 {Suspicious, Shortcut},
		"libarchive/test_read_format_rar_encryption_partially.rar":    {Encrypted, EncryptedArchive},
		"libarchive/test_read_format_rar5_invalid_dict_reference.rar": {Error, MalformedArchive},
		"libarchive/test_read_format_rar5_multiarchive.part04.rar":    {Unsupported, MissingVolume},
		"libarchive/test_rar_multivolume_single_file.part3.rar":       {Unsupported, MissingVolume},
		"libarchive/test_read_format_zip_bzip2_multi.zipx":            {Clean, ""},
		"libarchive/test_read_format_zip_lzma_multi.zipx":             {Clean, ""},
		"libarchive/test_read_format_zip_zstd_multi.zipx":             {Clean, ""},
		"libarchive/test_read_format_zip_length_at_end.zip":           {Clean, ""},
		"libarchive/test_read_format_zip_zip64a.zip":                  {Clean, ""},
		"libarchive/test_read_format_zip_padded3.zip":                 {Suspicious, DataBeforeArchive},
		"libarchive/test_read_format_zip_encryption_data.zip":         {Encrypted, EncryptedArchive},
		"libarchive/test_read_format_zip_winzip_aes128.zip":           {Encrypted, EncryptedArchive},
		"libarchive/test_read_format_zip_winzip_aes256_stored.zip":    {Encrypted, EncryptedArchive},
		"libarchive/test_read_too_many_filters.gz":                    {Limit, DepthLimit},
		"mimetype/docx.docx":                                          {Clean, ""},
		"mimetype/xlsx.xlsx":                                          {Clean, ""},
		"mimetype/jar.jar":                                            {Suspicious, Executable},
		"oletools/dde-test.docx":                                      {Suspicious, DDE},
		"oletools/harmless-clean.docx":                                {Clean, ""},
		"oletools/encrypted.docx":                                     {Encrypted, EncryptedDocument},
		"oletools/encrypted.xls":                                      {Encrypted, EncryptedDocument},
		"oletools/excel4_sample_macro.xls":                            {Suspicious, XLMMacro},
		"oletools/sample_with_vba.ppt":                                {Suspicious, VBAMacro},
		"mimetype/msg.msg":                                            {Error, MalformedDocument}, // cut off after 4096 bytes
		"mimetype/doc.doc":                                            {Error, MalformedDocument}, // cut off after 4096 bytes
		"oletools/embedded-simple-2007.docx":                          {Suspicious, OLEObject},
	} {
		a := scanFile(t, name[strings.LastIndexByte(name, '/')+1:], fileNamed(t, name))
		if wanted.reason == "" {
			want(t, a, wanted.verdict)
		} else {
			want(t, a, wanted.verdict, wanted.reason)
		}
	}
}
