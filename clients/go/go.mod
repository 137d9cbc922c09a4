module weight-init/weightinit

go 1.19
