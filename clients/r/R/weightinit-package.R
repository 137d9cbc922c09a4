#' Initialized weights for neural networks, from a weight-init service
#'
#' [wi_client()] holds the address of the service. [wi_init()] fetches a tensor as an R array, [wi_download()] writes
#' one to a file, and [wi_recommend()] recommends a scheme for an activation. Every failure is a [weight_init_error].
#'
#' @keywords internal
"_PACKAGE"
