library(weightinit)

client <- wi_client() # WEIGHT_INIT_URL, or http://127.0.0.1:8000
w <- wi_init(client, c(256, 784), activation = "relu", seed = 7)
w
dim(w)
w[1, 1:3]

metadata <- wi_metadata(w)
metadata$stddev
metadata$recommended$reason
